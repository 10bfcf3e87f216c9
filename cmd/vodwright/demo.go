package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"vodwright.dev/vodwright/internal/clip"
	"vodwright.dev/vodwright/internal/ffmpeg"
)

type demoCmd struct {
	Video string `arg:"" optional:"" help:"Your own video: a file or an https:// URL."`
	serveCmd
}

func (demoCmd) Help() string {
	return `Starts a server with everything embedded, makes buckets, a job template (360p, 540p, 720p),
a distribution and an automation: every video put in bucket vod-inbox becomes a stream. Puts
a generated 20-second clip or your own video in it, and keeps serving until Ctrl-C.

Examples:
  vodwright demo
  vodwright demo holiday.mp4
  vodwright demo https://example.com/talk.mkv --data /tmp/demo`
}

// Run serves, publishes and keeps serving.
func (c *demoCmd) Run(p *program) error {
	return c.serve(p, func(s *serving) error {
		video := c.Video
		if video == "" {
			fmt.Fprintln(p.stderr, "making a 20-second clip to publish")
			made, err := c.makeClip(p, s.data)
			if err != nil {
				return err
			}
			defer os.RemoveAll(filepath.Dir(made))
			video = made
		}
		// Not the AWS_… variables of the caller: this server, whatever they say.
		local := *p
		local.getenv = func(string) string { return "" }
		cl, err := connect(&local, s.data)
		if err != nil {
			return err
		}
		pub := &publisher{client: cl, template: ladderName, bucket: streamBucket}
		if err := pub.prepare(p.ctx, []string{video}); err != nil {
			return err
		}
		box := inbox{pub, automator{cl}}
		if err := box.prepare(p.ctx); err != nil {
			return err
		}
		meter := newMeter(p)
		put := box.put
		if strings.Contains(video, "://") {
			put = pub.publish // nothing is uploaded
		}
		result, err := put(p.ctx, video, meter)
		meter.close()
		if err != nil {
			return err
		}
		vars, err := awsEnvironment(s.data, false)
		if err != nil {
			return err
		}
		object := map[string]string{"playerURL": result.PlayerURL, "streamURL": result.StreamURL, "jobId": result.JobID, "inbox": "s3://" + inboxBucket}
		for _, v := range vars {
			object[v.name] = v.value
		}
		return p.print(object, fmt.Sprintf("\n  player  %s\n  stream  %s\n\n%s\nMore: aws s3 cp VIDEO s3://%s/ makes the next stream.\nServing until Ctrl-C.\n",
			result.PlayerURL, result.StreamURL, exportLines(vars), inboxBucket))
	})
}

// makeClip writes the demo clip into a folder of its own below the data folder.
func (c *demoCmd) makeClip(p *program, data string) (string, error) {
	dir, err := os.MkdirTemp(data, "clip-")
	if err != nil {
		return "", err
	}
	runner, err := c.runner(p)
	if err != nil {
		return "", err
	}
	const name = "vodwright-demo.mp4"
	_, err = runner.Run(p.ctx, ffmpeg.Command{Args: clip.Spec{}.Args(ffmpeg.OutputDir + "/" + name), OutputDir: dir})
	if err != nil {
		return "", fmt.Errorf("make clip: %w", err)
	}
	return filepath.Join(dir, name), nil
}
