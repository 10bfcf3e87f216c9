package main

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"math"
	"net/http"
	"time"

	"vodwright.dev/vodwright/internal/awsapi/sigv4"
	"vodwright.dev/vodwright/internal/edge"
	"vodwright.dev/vodwright/internal/iam"
	"vodwright.dev/vodwright/internal/store"
)

// rootKeys authenticates requests by the one key there is.
type rootKeys struct{ root iam.Key }

func (k rootKeys) authenticate(r *http.Request, _ string) (sigv4.Identity, error) {
	return sigv4.Verify(r, time.Now(), func(id string) (sigv4.Credential, bool) {
		return sigv4.Credential{Secret: k.root.Secret, ARN: "arn:aws:iam::" + iam.AccountID + ":root", Account: iam.AccountID}, id == k.root.ID
	})
}

// tokenSecret is what the edge makes the tokens of signed playlists with: derived
// from the root key, so that it outlives a restart without another file to keep.
func tokenSecret(root iam.Key) []byte {
	secret, err := hkdf.Key(sha256.New, []byte(root.Secret), nil, "vodwright edge tokens", 32)
	if err != nil {
		return nil // only ever for a length that cannot be made; without it there are no tokens
	}
	return secret
}

// distributions implements edge.Distributions over the records.
type distributions struct{ records *store.Store }

func (d distributions) ByHost(ctx context.Context, host string) (edge.Distribution, error) {
	found, err := d.records.DistributionByDomain(ctx, host)
	if err != nil {
		return edge.Distribution{}, err
	}
	behavior := edge.Behavior{Pattern: "*", Origin: "origin", ViewerProtocolPolicy: edge.ViewerProtocolPolicy(found.ViewerProtocolPolicy), Cache: edge.CachingOptimized()}
	if ttl := found.TTL; ttl != nil {
		behavior.Cache.TTL = edge.TTL{Min: seconds(ttl.Min), Default: seconds(ttl.Default), Max: seconds(ttl.Max)}
	}
	out := edge.Distribution{
		ID: found.ID, Enabled: found.Enabled, DefaultRootObject: found.DefaultRootObject,
		Origins:   map[string]edge.OriginConfig{"origin": {Bucket: found.Bucket, Path: found.OriginPath, Signed: true}},
		Behaviors: []edge.Behavior{behavior},
	}
	return out, nil
}

func (d distributions) Aliases(context.Context) (map[string]string, error) { return nil, nil }

func seconds(n int64) time.Duration {
	return time.Duration(min(n, math.MaxInt64/int64(time.Second))) * time.Second
}
