// Command handler is a function for the provided.al2023 runtime: it starts a
// transcoding job for every video that is put in a bucket.
//
// The job writes to s3://$DESTINATION_BUCKET/assets/<asset>/HLS/<name>. The asset's
// id follows from the object's version, so that an event that is delivered twice
// starts one job. An error is returned, not hidden: the event is tried again.
package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/url"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"
)

var videos = []string{".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts", ".mxf", ".flv", ".3gp"}

func main() {
	lambda.Start(func(ctx context.Context, event events.S3Event) ([]string, error) {
		cfg, err := config.LoadDefaultConfig(ctx)
		if err != nil {
			return nil, err
		}
		client := mediaconvert.NewFromConfig(cfg)
		var jobs []string
		for _, record := range event.Records {
			job, err := start(ctx, client, record.S3)
			if err != nil {
				return nil, err
			}
			if job != "" {
				jobs = append(jobs, job)
			}
		}
		return jobs, nil
	})
}

func start(ctx context.Context, client *mediaconvert.Client, in events.S3Entity) (string, error) {
	key, err := url.QueryUnescape(in.Object.Key)
	if err != nil {
		return "", fmt.Errorf("decode key %q: %w", in.Object.Key, err)
	}
	extension := path.Ext(key)
	if !slices.Contains(videos, strings.ToLower(extension)) {
		fmt.Printf("not a video: %s\n", key)
		return "", nil
	}
	sum := sha256.Sum256([]byte(in.Bucket.Name + "\x00" + key + "\x00" + cmp.Or(in.Object.VersionID, in.Object.Sequencer)))
	asset := hex.EncodeToString(sum[:16])
	destination := fmt.Sprintf("s3://%s/assets/%s/HLS/%s", os.Getenv("DESTINATION_BUCKET"), asset, strings.TrimSuffix(path.Base(key), extension))
	out, err := client.CreateJob(ctx, &mediaconvert.CreateJobInput{
		Role: aws.String(os.Getenv("MEDIACONVERT_ROLE")), ClientRequestToken: &asset, UserMetadata: map[string]string{"assetID": asset},
		Settings: settings("s3://"+in.Bucket.Name+"/"+key, destination),
	})
	if err != nil {
		return "", fmt.Errorf("start job for %q: %w", key, err)
	}
	fmt.Printf("%s: job %s\n", key, *out.Job.Id)
	return *out.Job.Id, nil
}

func settings(source, destination string) *types.JobSettings {
	rung := func(name string, width, height, bitrate int32) types.Output {
		return types.Output{
			NameModifier:      &name,
			ContainerSettings: &types.ContainerSettings{Container: types.ContainerTypeM3u8},
			VideoDescription: &types.VideoDescription{Width: &width, Height: &height, CodecSettings: &types.VideoCodecSettings{
				Codec: types.VideoCodecH264,
				H264Settings: &types.H264Settings{
					RateControlMode: types.H264RateControlModeQvbr, MaxBitrate: &bitrate,
					QualityTuningLevel: types.H264QualityTuningLevelSinglePassHq, GopSize: aws.Float64(2), GopSizeUnits: types.H264GopSizeUnitsSeconds,
				},
			}},
			AudioDescriptions: []types.AudioDescription{{CodecSettings: &types.AudioCodecSettings{
				Codec:       types.AudioCodecAac,
				AacSettings: &types.AacSettings{Bitrate: aws.Int32(96000), CodingMode: types.AacCodingModeCodingMode20, SampleRate: aws.Int32(48000)},
			}}},
		}
	}
	return &types.JobSettings{
		Inputs: []types.Input{{FileInput: &source, TimecodeSource: types.InputTimecodeSourceZerobased, AudioSelectors: map[string]types.AudioSelector{
			"Audio Selector 1": {DefaultSelection: types.AudioDefaultSelectionDefault},
		}}},
		OutputGroups: []types.OutputGroup{{
			Name: aws.String("Apple HLS"),
			OutputGroupSettings: &types.OutputGroupSettings{
				Type:             types.OutputGroupTypeHlsGroupSettings,
				HlsGroupSettings: &types.HlsGroupSettings{Destination: &destination, SegmentLength: aws.Int32(6), MinSegmentLength: aws.Int32(0)},
			},
			Outputs: []types.Output{rung("_360", 640, 360, 1_000_000), rung("_540", 960, 540, 2_000_000), rung("_720", 1280, 720, 3_000_000)},
		}},
	}
}
