package media

import "bytes"

// PictureSize reads the size of the pictures that an H.264 sequence parameter set
// announces (a NAL unit with its header byte), after cropping. False is a
// parameter set that cannot be read. Source: ITU-T H.264, 7.3.2.1.1.
func PictureSize(sps []byte) (width, height int, ok bool) {
	if len(sps) < 4 {
		return 0, 0, false
	}
	// Emulation prevention: 00 00 03 stands for 00 00.
	r := &bitReader{b: bytes.ReplaceAll(sps[1:], []byte{0, 0, 3}, []byte{0, 0})}
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
