package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"vodwright.dev/vodwright/internal/fault"
	"vodwright.dev/vodwright/internal/iam"
	"vodwright.dev/vodwright/internal/object"
	"vodwright.dev/vodwright/internal/store"
	"vodwright.dev/vodwright/internal/worker"
)

// Jobs' roles over the real authority and the real buckets.
func TestJobRoles(t *testing.T) {
	ctx := t.Context()
	dir := t.TempDir()
	records, err := store.Open(ctx, store.Config{Path: filepath.Join(dir, "records.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = records.Close() })
	key, err := iam.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	authority, err := iam.Open(ctx, iam.Config{Store: records, Root: key})
	if err != nil {
		t.Fatal(err)
	}
	buckets, err := object.Open(ctx, object.Config{
		Dir: filepath.Join(dir, "buckets"), Region: region, AccountID: iam.AccountID, Root: object.Credential{AccessKeyID: key.ID, SecretAccessKey: key.Secret},
		Credentials: bucketKeys{authority}, Authority: bucketRights{authority}, Events: records,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = buckets.Close() })
	file := func(text string) string {
		f, err := os.CreateTemp(dir, "file-")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString(text); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		return f.Name()
	}
	for _, b := range []string{"source", "streams"} {
		if err := buckets.CreateBucket(ctx, b); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := buckets.Put(ctx, "source", "mine/a.mp4", object.PutInput{Path: file("video")}); err != nil {
		t.Fatal(err)
	}
	role := func(name, service, rights string) string {
		p, err := authority.Create(ctx, iam.Principal{
			Kind: iam.KindRole, Name: name, Path: "/", MaxSession: time.Hour,
			Trust:  `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"` + service + `"},"Action":"sts:AssumeRole"}}`,
			Inline: map[string]string{"rights": `{"Version":"2012-10-17","Statement":[` + rights + `]}`},
		})
		if err != nil {
			t.Fatal(err)
		}
		return p.ARN()
	}
	const rights = `{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::source/mine/*"},{"Effect":"Allow","Action":"s3:PutObject","Resource":"arn:aws:s3:::streams/out/*"}`
	good := role("good", jobService, rights)
	roles := jobRoles{buckets, authority}
	if _, err := roles.Objects(ctx, role("stranger", "lambda.amazonaws.com", rights), "1-a"); fault.KindOf(err) != fault.Denied || err == nil {
		t.Errorf("a role that does not trust jobs: %v", err)
	}
	if _, err := roles.Objects(ctx, good+"x", "1-a"); fault.KindOf(err) != fault.NotFound || err == nil {
		t.Errorf("a role that is not there: %v", err)
	}
	objects, err := roles.Objects(ctx, good, "1-a")
	if err != nil {
		t.Fatal(err)
	}
	put := func(key string) error {
		return objects.Publish(ctx, worker.Upload{Job: "1-a", Bucket: "streams", Key: key, File: file("segment")})
	}
	for what, c := range map[string]struct {
		do   func() error
		kind fault.Kind
		ok   bool
	}{
		"read": {do: func() error {
			_, err := objects.Snapshot(ctx, "source", "mine/a.mp4", "", filepath.Join(dir, "got"))
			return err
		}, ok: true},
		"read what is not there": {do: func() error {
			_, err := objects.Snapshot(ctx, "source", "mine/b.mp4", "", filepath.Join(dir, "none"))
			return err
		}, kind: fault.NotFound},
		"read another's": {do: func() error {
			_, err := objects.Snapshot(ctx, "source", "other/a.mp4", "", filepath.Join(dir, "other"))
			return err
		}, kind: fault.Denied},
		"ask to write":           {do: func() error { return objects.Writable(ctx, "streams", "out/a.m3u8") }, ok: true},
		"ask to write elsewhere": {do: func() error { return objects.Writable(ctx, "streams", "a.m3u8") }, kind: fault.Denied},
		"write":                  {do: func() error { return put("out/a.ts") }, ok: true},
		"write elsewhere":        {do: func() error { return put("a.ts") }, kind: fault.Denied},
	} {
		if err := c.do(); c.ok != (err == nil) || !c.ok && fault.KindOf(err) != c.kind {
			t.Errorf("%s: %v", what, err)
		}
	}

	// Near its end a session is replaced, and a role that is gone by then ends the job.
	bound := objects.(*roleObjects)
	first := bound.session.AccessKeyID
	bound.session.Expires = time.Now().Add(time.Minute)
	if err := put("out/b.ts"); err != nil || bound.session.AccessKeyID == first {
		t.Errorf("the session was not replaced: %v", err)
	}
	if _, err := authority.Change(ctx, iam.KindRole, "good", func(p *iam.Principal) error { p.Inline = nil; return nil }); err != nil {
		t.Fatal(err)
	}
	if err := put("out/c.ts"); fault.KindOf(err) != fault.Denied || err == nil {
		t.Errorf("a right that was taken away: %v", err)
	}
	if err := authority.Delete(ctx, iam.KindRole, "good"); err != nil {
		t.Fatal(err)
	}
	bound.session.Expires = time.Now()
	if err := put("out/d.ts"); fault.KindOf(err) != fault.Denied || err == nil {
		t.Errorf("a role that is gone: %v", err)
	}
	if err := bound.Withdraw(ctx, "1-a", "streams", "out/a.ts"); err != nil {
		t.Errorf("withdrawing needs no role: %v", err)
	}
}
