// Package hostile_test sends files that were made to do harm, or to be
// misunderstood, through whole jobs: probe, plan, encodes, packing, publishing.
//
// Whatever a file is, its job ends within bounds, as a stream whose frames decode
// or as an error with the service's code; no byte of another file of this machine
// and no picture of it is in what is published; nobody is connected to; and an
// error leaves nothing behind. The corpus is made here, of clips that ffmpeg makes;
// where the workplace has a corpus of its own (../shared/media/make_hostile.sh),
// that is run too.
package hostile_test
