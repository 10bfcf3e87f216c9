package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/object"
	"vodwright.dev/vodwright/internal/store"
)

// externalName is what messages call the S3 that keeps the bytes of objects.
const externalName = "the external S3"

// externalFlags say where the bytes of objects are, when they are not in the data folder.
type externalFlags struct {
	S3            string `name:"s3" env:"VODWRIGHT_S3" help:"S3 that keeps the bytes of objects, instead of the data folder: http(s)://HOST:PORT/BUCKET/PREFIX, or s3://BUCKET/PREFIX for AWS's own. The bucket must be there." placeholder:"URL"`
	S3AccessKey   string `name:"s3-access-key" env:"VODWRIGHT_S3_ACCESS_KEY" help:"Its access key; without one that of the URL, or what AWS's tools use: environment, profile, the machine's role." placeholder:"ID"`
	S3SecretKey   string `name:"s3-secret-key" env:"VODWRIGHT_S3_SECRET_KEY" help:"The secret of that key: better in the environment." placeholder:"SECRET"`
	S3Region      string `name:"s3-region" env:"VODWRIGHT_S3_REGION" help:"Its region." default:"us-east-1" placeholder:"REGION"`
	S3VirtualHost bool   `name:"s3-virtual-host" env:"VODWRIGHT_S3_VIRTUAL_HOST" help:"Address its bucket as BUCKET.HOST, and not as HOST/BUCKET."`
}

// external returns where the bytes are, nil for the data folder.
func (f *externalFlags) external() (*object.External, error) {
	if f.S3 == "" {
		return nil, nil
	}
	at, err := object.ParseExternal(f.S3)
	if err != nil {
		return nil, err
	}
	if (f.S3AccessKey == "") != (f.S3SecretKey == "") {
		return nil, fault.New(fault.Invalid, "", "--s3-access-key and --s3-secret-key: one without the other")
	}
	if f.S3AccessKey != "" {
		at.AccessKeyID, at.SecretAccessKey = f.S3AccessKey, f.S3SecretKey
	}
	at.Region, at.VirtualHost = f.S3Region, f.S3VirtualHost
	return &at, nil
}

// refuseHiddenBuckets ends a server that would show none of the buckets that its data
// folder has.
func refuseHiddenBuckets(data string) error {
	found, err := os.ReadDir(filepath.Join(data, "buckets", "buckets"))
	if len(found) == 0 {
		if errors.Is(err, os.ErrNotExist) {
			err = nil
		}
		return err
	}
	return fault.New(fault.Conflict, "", "the data folder has %d buckets, which --s3 would hide", len(found)).
		WithHint("leave --s3 out, or give a data folder of its own and copy the objects with an S3 client: aws s3 sync")
}

// refuseEmptyBuckets ends a server that would show the data folder's buckets where the
// records have others.
func refuseEmptyBuckets(ctx context.Context, records *store.Store) error {
	all, err := records.BucketRecords(ctx)
	if err != nil || len(all) == 0 {
		return err
	}
	return fault.New(fault.Conflict, "", "the records have %d buckets whose objects are in an external S3", len(all)).
		WithHint("give its address with --s3, or take other records")
}
