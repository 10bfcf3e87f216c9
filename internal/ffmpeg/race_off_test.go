//go:build !race

package ffmpeg_test

const raceEnabled = false
