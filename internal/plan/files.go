package plan

import (
	"maps"
	"slices"

	"vodwright.dev/vodwright/internal/media"
)

// FileKind says what a file of a job is for.
type FileKind string

// The kinds of files.
const (
	FileInput FileKind = "input" // an input: has the video, may have audio
	FileAudio FileKind = "audio" // external audio of an audio selector
	FileImage FileKind = "image" // an image that is inserted into the picture
)

// File is one file that a job reads.
type File struct {
	URI  string   `json:"uri"` // s3:// or https://
	Kind FileKind `json:"kind"`
	// VideoPID chooses the video stream of an input by its PID, see SelectVideo; 0
	// is the first. An input of which two streams are used is there twice.
	VideoPID int64 `json:"videoPid,omitempty"`
}

// Footage is what the probe found in a File. Of audio and images Index is empty.
type Footage struct {
	Source media.Source
	Index  media.FrameIndex // of the stream that SelectVideo returns
	Mended []Warning        // what was set right in the file before it was probed
}

// Files lists what a job reads, each once: its inputs in their order, then external
// audio and images. Plan.Files is the same list.
func Files(s Settings) []File {
	var list []File
	add := func(f File) {
		if f.URI != "" && fileIndex(list, f) < 0 {
			list = append(list, f)
		}
	}
	for i := range s.Inputs {
		add(inputFile(&s.Inputs[i]))
	}
	for i := range s.Inputs { // in an order of their own: maps have none
		for _, name := range slices.Sorted(maps.Keys(s.Inputs[i].AudioSelectors)) {
			add(File{URI: s.Inputs[i].AudioSelectors[name].ExternalAudioFileInput, Kind: FileAudio})
		}
		for _, name := range slices.Sorted(maps.Keys(s.Inputs[i].DynamicAudioSelectors)) {
			add(File{URI: s.Inputs[i].DynamicAudioSelectors[name].ExternalAudioFileInput, Kind: FileAudio})
		}
	}
	images := func(s *ImageInserter) {
		if s == nil {
			return
		}
		for _, image := range s.InsertableImages {
			add(imageFile(image))
		}
	}
	for i := range s.Inputs {
		images(s.Inputs[i].ImageInserter)
	}
	for _, group := range s.OutputGroups {
		for _, o := range group.Outputs {
			if d := o.VideoDescription; d != nil {
				images(d.VideoPreprocessors.ImageInserter)
			}
		}
	}
	return list
}

// inputFile is the file of an input.
func inputFile(in *InputSettings) File {
	return File{URI: in.FileInput, Kind: FileInput, VideoPID: in.VideoSelector.Pid}
}

// fileIndex returns where f is in the list, or -1.
func fileIndex(list []File, f File) int {
	for i, have := range list {
		if have == f {
			return i
		}
	}
	return -1
}
