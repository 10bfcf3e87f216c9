package media

import "bytes"

// PictureSize reads the size of the pictures that an H.264 sequence parameter set
// announces (a NAL unit with its header byte), after cropping. False is a
// parameter set that cannot be read. Source: ITU-T H.264, 7.3.2.1.1.
func PictureSize(sps []byte) (width, height int, ok bool) {
	if len(sps) < 4 {
		return 0, 0, false
	}
	return newBitReader(sps[1:]).pictureSize()
}

// HeldBack returns how many pictures a decoder of H.264 or HEVC (codec "hevc") holds
// back at most, since others are shown before them, by a sequence parameter set with
// its header; 0 if it does not say. Sources: ITU-T H.264, E.1.1; H.265, 7.3.2.2.
func HeldBack(codec string, sps []byte) int {
	if len(sps) < 4 {
		return 0
	}
	var n uint32
	r := newBitReader(sps[1:])
	if codec == "hevc" {
		r.bits(8)
		n = r.heldBackHEVC()
	} else {
		if _, _, ok := r.pictureSize(); !ok {
			return 0
		}
		n = r.heldBack()
	}
	if r.short || n > 16 {
		return 0
	}
	return int(n)
}

// newBitReader reads a NAL unit behind (a part of) its header.
func newBitReader(b []byte) *bitReader {
	// Emulation prevention: 00 00 03 stands for 00 00.
	return &bitReader{b: bytes.ReplaceAll(b, []byte{0, 0, 3}, []byte{0, 0})}
}

// heldBack reads the VUI of H.264 behind the picture's size.
func (r *bitReader) heldBack() uint32 {
	if r.bits(1) == 0 { // vui_parameters_present_flag
		return 0
	}
	if r.bits(1) == 1 && r.bits(8) == 255 { // aspect_ratio_idc
		r.bits(32)
	}
	if r.bits(1) == 1 { // overscan_info_present_flag
		r.bits(1)
	}
	if r.bits(1) == 1 { // video_signal_type_present_flag
		r.bits(4)
		if r.bits(1) == 1 {
			r.bits(24)
		}
	}
	if r.bits(1) == 1 { // chroma_loc_info_present_flag
		r.ue()
		r.ue()
	}
	if r.bits(1) == 1 { // timing_info_present_flag
		r.bits(32)
		r.bits(33)
	}
	hrd := false
	for range 2 { // nal_hrd, vcl_hrd
		if r.bits(1) == 0 {
			continue
		}
		hrd = true
		n := r.ue()
		r.bits(8)
		for i := uint32(0); i <= n && !r.short; i++ {
			r.ue()
			r.ue()
			r.bits(1)
		}
		r.bits(20)
	}
	if hrd {
		r.bits(1)
	}
	r.bits(1)           // pic_struct_present_flag
	if r.bits(1) == 0 { // bitstream_restriction_flag
		return 0
	}
	r.bits(1)
	for range 4 {
		r.ue()
	}
	return r.ue() // max_num_reorder_frames
}

// heldBackHEVC reads sps_max_num_reorder_pics of the highest sub-layer.
func (r *bitReader) heldBackHEVC() uint32 {
	r.bits(4)
	layers := r.bits(3) // sps_max_sub_layers_minus1
	r.bits(1)
	r.bits(96) // profile, tier, level
	if layers > 0 {
		var there [8][2]uint32
		for i := range 8 {
			if there[i][0], there[i][1] = r.bits(1), r.bits(1); uint32(i) >= layers {
				there[i] = [2]uint32{}
			}
		}
		for _, t := range there {
			r.bits(int(88*t[0] + 8*t[1]))
		}
	}
	r.ue()
	if r.ue() == 3 { // chroma_format_idc
		r.bits(1)
	}
	r.ue() // width, height
	r.ue()
	if r.bits(1) == 1 { // conformance_window_flag
		for range 4 {
			r.ue()
		}
	}
	for range 3 { // depths, length of the picture order count
		r.ue()
	}
	i := layers
	if r.bits(1) == 1 { // sps_sub_layer_ordering_info_present_flag
		i = 0
	}
	n := uint32(0)
	for ; i <= layers; i++ {
		r.ue()
		n = r.ue()
		r.ue()
	}
	return n
}

// pictureSize reads a sequence parameter set of H.264 up to its VUI.
func (r *bitReader) pictureSize() (width, height int, ok bool) {
	profile := r.bits(8)
	r.bits(16) // constraints, level
	r.ue()     // seq_parameter_set_id
	chroma := uint32(1)
	switch profile {
	case 100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135:
		if chroma = r.ue(); chroma == 3 && r.bits(1) == 1 {
			chroma = 0 // separate planes are cropped as one
		}
		r.ue() // bit depths
		r.ue()
		r.bits(1)
		if r.bits(1) == 1 {
			lists := 8
			if chroma == 3 {
				lists = 12
			}
			for i := range lists {
				if r.bits(1) == 1 {
					r.scalingList(i)
				}
			}
		}
	}
	r.ue() // log2_max_frame_num_minus4
	switch r.ue() {
	case 0:
		r.ue()
	case 1:
		r.bits(1)
		r.ue()
		r.ue()
		for n := r.ue(); n > 0 && !r.short; n-- {
			r.ue()
		}
	}
	r.ue() // max_num_ref_frames
	r.bits(1)
	w, h := r.ue()+1, r.ue()+1
	fields := uint32(1)
	if r.bits(1) == 0 { // frame_mbs_only_flag
		fields = 2
		r.bits(1)
	}
	r.bits(1) // direct_8x8_inference_flag
	if w > 1<<12 || h > 1<<12 {
		return 0, 0, false
	}
	w, h = w*16, h*16*fields
	if r.bits(1) == 1 { // frame_cropping_flag
		unitX, unitY := uint32(1), fields
		if chroma == 1 || chroma == 2 {
			unitX = 2
		}
		if chroma == 1 {
			unitY *= 2
		}
		left, right, top, bottom := r.ue(), r.ue(), r.ue(), r.ue()
		if x, y := uint64(left)+uint64(right), uint64(top)+uint64(bottom); x*uint64(unitX) < uint64(w) && y*uint64(unitY) < uint64(h) {
			w, h = w-uint32(x)*unitX, h-uint32(y)*unitY
		} else {
			return 0, 0, false
		}
	}
	return int(w), int(h), !r.short
}

// bitReader reads bits, the first one highest. Past the end it gives zeros and is short.
type bitReader struct {
	b     []byte
	at    int // bit
	short bool
}

func (r *bitReader) bits(n int) (v uint32) {
	for range n {
		v <<= 1
		if r.at>>3 >= len(r.b) {
			r.short = true
			continue
		}
		v |= uint32(r.b[r.at>>3]>>(7-r.at&7)) & 1
		r.at++
	}
	return v
}

// ue reads an unsigned Exp-Golomb code (9.1).
func (r *bitReader) ue() uint32 {
	zeros := 0
	for r.bits(1) == 0 {
		if zeros++; zeros > 31 || r.short {
			r.short = true
			return 0
		}
	}
	return 1<<zeros - 1 + r.bits(zeros)
}

// se reads a signed Exp-Golomb code (9.1.1).
func (r *bitReader) se() int32 {
	v := r.ue()
	if v&1 == 1 {
		return int32(v/2 + 1)
	}
	return -int32(v / 2)
}

// scalingList passes over scaling list i (7.3.2.1.1.1).
func (r *bitReader) scalingList(i int) {
	size := 16
	if i >= 6 {
		size = 64
	}
	last, next := int32(8), int32(8)
	for range size {
		if next != 0 {
			next = (last + r.se() + 256) % 256
		}
		if next != 0 {
			last = next
		}
	}
}
