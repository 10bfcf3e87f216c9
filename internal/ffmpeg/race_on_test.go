//go:build race

package ffmpeg_test

const raceEnabled = true
