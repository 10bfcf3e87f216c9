package edge

import "vodwright.dev/vodwright/internal/fault"

// layer is which part of the way of a request said no: the value of the header
// X-Vodwright-Why. A 403 looks the same whoever says it; this one tells.
type layer string

// The layers, in the order in which a request passes them.
const (
	layerDistribution   layer = "distribution" // unknown, disabled, without an origin
	layerFirewall       layer = "firewall"
	layerViewerProtocol layer = "viewer-protocol"
	layerMethod         layer = "method"
	layerPath           layer = "path"
	layerSignature      layer = "signature"
	layerOriginAccess   layer = "origin-access" // the bucket's policy
	layerMissing        layer = "missing-object"
	layerOrigin         layer = "origin" // down, slow, broken
	layerRequest        layer = "request"
	layerCORS           layer = "cors"
)

// refusal is an error with the layer that it comes from.
type refusal struct {
	layer layer
	error
}

func (r *refusal) Unwrap() error { return r.error }

func refuse(at layer, err error) error {
	if err == nil {
		return nil
	}
	return &refusal{at, err}
}

// originFault rewrites what an origin says about an object for viewers: the public
// need not know a private bucket's name, and a hint is worth more.
func originFault(err error, path string) error {
	f := fault.Of(err)
	switch {
	case f.Kind == fault.NotFound && f.Code == "NoSuchBucket":
		return refuse(layerDistribution, fault.New(fault.NotFound, f.Code, "The bucket that this distribution has as its origin does not exist").
			WithHint("create the bucket, or give the distribution another origin"))
	case f.Kind == fault.NotFound:
		return refuse(layerMissing, fault.New(fault.NotFound, "NoSuchKey", "There is no object for %q", clip(path, 1024)).
			WithHint("keys are case-sensitive and exact; a job publishes its playlists last, when it is complete"))
	case f.Kind == fault.Denied:
		return refuse(layerOriginAccess, fault.New(fault.Denied, "AccessDenied", "The origin does not let this distribution read the object").
			WithHint("the bucket's policy must allow the service cloudfront.amazonaws.com s3:GetObject with the distribution's ARN as AWS:SourceArn, and the distribution's origin needs an origin access control"))
	case f.Kind == fault.Invalid:
		return refuse(layerPath, err)
	}
	return refuse(layerOrigin, err)
}
