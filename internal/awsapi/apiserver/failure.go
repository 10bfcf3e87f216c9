package apiserver

import (
	"bytes"
	"encoding/xml"
	"net/http"

	"vodwright.dev/vodwright/internal/awsapi"
	"vodwright.dev/vodwright/internal/awsapi/sigv4"
	"vodwright.dev/vodwright/internal/fault"
)

// jsonCodes are the names that the services of the JSON protocols give to the faults of signatures and rights.
var jsonCodes = map[string]string{
	"AccessDenied":       "AccessDeniedException",
	sigv4.CodeMissing:    "MissingAuthenticationTokenException",
	sigv4.CodeIncomplete: "IncompleteSignatureException",
	sigv4.CodeUnknownKey: "UnrecognizedClientException",
	sigv4.CodeExpired:    "ExpiredTokenException",
	sigv4.CodeSkewed:     "InvalidSignatureException", // and the message that SDKs read to correct their clock
	sigv4.CodeMismatch:   "InvalidSignatureException",
	sigv4.CodeTooLarge:   "RequestEntityTooLargeException",
}

// statuses of codes that do not follow from their kind.
var statuses = map[string]int{
	CodeNotImplemented: http.StatusNotImplemented,
	sigv4.CodeTooLarge: http.StatusRequestEntityTooLarge,
}

// fail answers err. What is internal stays internal: the client gets the request
// id, the log the chain.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, call *Call, err error) {
	f := fault.Of(err)
	message := f.Message
	if f.Hint != "" {
		message += " (" + f.Hint + ")"
	}
	if f.Kind == fault.Internal {
		s.log.ErrorContext(r.Context(), "request failed", "request", call.RequestID, "method", r.Method, "path", r.URL.Path, "error", err)
		message = "an internal error; the server's log has it under request id " + call.RequestID
	}
	code, status := f.Code, f.Kind.HTTPStatus()
	if s.cfg.Code != nil {
		code, status = s.cfg.Code(f)
	}
	if st, ok := statuses[f.Code]; ok {
		code, status = f.Code, st
	}
	var body bytes.Buffer
	if p := s.cfg.API.Protocol; p == awsapi.RESTXML || p == awsapi.Query {
		if code == sigv4.CodeSkewed { // the message tells; SDKs read it to correct their clock
			code = sigv4.CodeMismatch
		}
		w.Header().Set("Content-Type", "text/xml")
		err = s.failureXML(&body, call.RequestID, code, message, status)
	} else {
		if c, ok := jsonCodes[code]; ok {
			code = c
		}
		w.Header().Set("Content-Type", "application/json")
		if s.cfg.API.Protocol == awsapi.JSON {
			w.Header().Set("Content-Type", contentTypeJSON11)
		}
		w.Header().Set("X-Amzn-Errortype", code)
		err = s.schema.EncodeJSON(&body, struct {
			Type    string `json:"__type"`
			Message string `json:"message"`
		}{code, message})
	}
	if err != nil {
		s.log.ErrorContext(r.Context(), "encode failure", "request", call.RequestID, "error", err)
	}
	s.write(w, r, call, status, body.Bytes())
}

func (s *Server) failureXML(body *bytes.Buffer, requestID, code, message string, status int) error {
	type detail struct {
		Type    string
		Code    string
		Message string
	}
	side := "Sender"
	if status >= http.StatusInternalServerError {
		side = "Receiver"
	}
	body.WriteString(xml.Header)
	return xml.NewEncoder(body).Encode(struct {
		XMLName   xml.Name `xml:"ErrorResponse"`
		Namespace string   `xml:"xmlns,attr,omitempty"`
		Error     detail
		RequestID string `xml:"RequestId"`
	}{Namespace: s.cfg.API.Namespace, Error: detail{side, code, message}, RequestID: requestID})
}
