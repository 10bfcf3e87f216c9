package iam

import (
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"vodwright.dev/vodwright/internal/policy"
)

// keysOf finds condition keys as they are asked for: those that the action
// brings, and AWS's global ones of the holder and the request ("AWS global
// condition context keys" in the IAM user guide). What is not known is absent.
func (a *Authority) keysOf(h *holder, q *Question) policy.Keys {
	return func(name string) []string {
		if v := q.given(name); v != nil {
			return v
		}
		if !strings.HasPrefix(name, "aws:") {
			return nil
		}
		if v, ok := a.ofRequest(h, q, name); ok {
			return []string{v}
		}
		if v, ok := h.key(q, name); ok {
			return []string{v}
		}
		return nil
	}
}

// given returns a condition key that came with the question.
func (q *Question) given(name string) []string {
	if v, ok := q.Keys[name]; ok || q.Find == nil {
		return v
	}
	return q.Find(name)
}

func (a *Authority) ofRequest(h *holder, q *Question, name string) (string, bool) {
	switch name {
	case "aws:currenttime":
		return a.now().UTC().Format(time.RFC3339), true
	case "aws:epochtime":
		return strconv.FormatInt(a.now().Unix(), 10), true
	case "aws:resourceaccount":
		return AccountID, true
	case "aws:requestedregion":
		return q.Who.Region, q.Who.Region != ""
	case "aws:viaawsservice":
		// What a service does with its role's session comes without a request.
		byRequest := q.Request != nil || q.given("aws:sourceip") != nil
		return strconv.FormatBool(!byRequest && h.session != nil && h.session.Service != ""), true
	}
	r := q.Request
	if r == nil {
		return "", false
	}
	switch name {
	case "aws:sourceip":
		host, _, err := net.SplitHostPort(r.RemoteAddr)
		if err != nil {
			return "", false
		}
		ip, err := netip.ParseAddr(host)
		return ip.Unmap().WithZone("").String(), err == nil
	case "aws:securetransport":
		return strconv.FormatBool(r.TLS != nil), true
	case "aws:useragent":
		return r.UserAgent(), r.UserAgent() != ""
	case "aws:referer":
		return r.Referer(), r.Referer() != ""
	}
	return "", false
}

// key returns what is known of the holder.
func (h *holder) key(q *Question, name string) (string, bool) {
	switch name {
	case "aws:principalisawsservice":
		return strconv.FormatBool(h.service != ""), true
	case "aws:principalservicename":
		return h.service, h.service != ""
	case "aws:principaltype":
		switch {
		case h.root:
			return "Account", true
		case h.entity == nil:
			return "Anonymous", h.service == ""
		case h.Kind == KindRole:
			return "AssumedRole", true
		}
		return "User", true
	}
	if !h.root && h.entity == nil {
		return "", false
	}
	switch name {
	case "aws:principalaccount":
		return AccountID, true
	case "aws:principalarn":
		if h.root {
			return RootARN, true
		}
		return h.ARN(), true
	case "aws:userid":
		switch {
		case h.root:
			return AccountID, true
		case h.session != nil:
			return h.session.UserID(), true
		}
		return h.ID, true
	case "aws:username":
		if h.root || h.Kind != KindUser {
			return "", false
		}
		return h.entity.Name, true
	case "aws:tokenissuetime":
		if h.session == nil {
			return "", false
		}
		return h.session.Issued.Format(time.RFC3339), true
	case "aws:multifactorauthpresent":
		return "false", h.session != nil // there are no such devices; long-lived keys do not have the key
	}
	tag, ok := strings.CutPrefix(name, "aws:principaltag/")
	if !ok {
		return "", false
	}
	if h.session != nil {
		if v, ok := foldedTag(h.session.Tags, tag); ok {
			return v, true
		}
	}
	if h.root {
		return "", false
	}
	return foldedTag(h.Tags, tag)
}

// foldedTag finds a tag by its name in lower case: condition keys have no case.
func foldedTag(tags map[string]string, folded string) (string, bool) {
	for k, v := range tags {
		if strings.ToLower(k) == folded {
			return v, true
		}
	}
	return "", false
}

// tagKeys adds the condition keys of the tags that a request brings.
func tagKeys(keys map[string][]string, tags map[string]string) {
	for k, v := range tags {
		keys["aws:requesttag/"+strings.ToLower(k)] = []string{v}
		keys["aws:tagkeys"] = append(keys["aws:tagkeys"], k)
	}
}
