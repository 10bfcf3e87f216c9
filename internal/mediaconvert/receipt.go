package mediaconvert

import (
	"bytes"
	"context"

	"vodwright.dev/vodwright/internal/awsapi"
	"vodwright.dev/vodwright/internal/awsapi/apiserver"
	mc "vodwright.dev/vodwright/internal/awsapi/mediaconvert"
	"vodwright.dev/vodwright/internal/receipt"
)

// getReceipt is an operation of ours beside the service's: GET /2017-08-29/jobs/ID/receipt,
// signed like any other, for who may GetJob. Clients of the service do not know it and
// are not disturbed by it; any signed HTTP client can read it.
const getReceipt = "GetJobReceipt"

// receiptRequest is the input of getReceipt.
type receiptRequest struct {
	Id *string `json:"-" aws:"id,loc=uri,req"`
}

// receiptResponse is a receipt.Receipt as it is.
type receiptResponse struct {
	Receipt []byte `json:"-" aws:"receipt,payload"`
}

// api is the service's API with what is ours.
func api() awsapi.API {
	a := mc.API()
	a.Operations = append(a.Operations, awsapi.Operation{
		Name: getReceipt, Method: "GET", URI: "/2017-08-29/jobs/{id}/receipt", Status: 200, Input: func() any { return new(receiptRequest) },
	})
	return a
}

func (s *server) getReceipt(ctx context.Context, _ *apiserver.Call, in *receiptRequest) (*receiptResponse, error) {
	j, err := s.cfg.Jobs.Record(ctx, value(in.Id))
	if err != nil {
		return nil, s.gone(err, "jobs", value(in.Id))
	}
	r, err := receipt.New(j, s.cfg.Now())
	if err != nil {
		return nil, err
	}
	var doc bytes.Buffer
	err = r.WriteJSON(&doc)
	return &receiptResponse{Receipt: doc.Bytes()}, err
}
