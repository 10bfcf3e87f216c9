package api

import (
	"reflect"
	"strings"

	"vodwright.dev/vodwright/internal/awsapi/apiserver"
	wire "vodwright.dev/vodwright/internal/awsapi/iam"
	"vodwright.dev/vodwright/internal/iam"
)

// unspecific are the operations on no resource, from IAM's page of the service
// authorization reference.
func unspecific(op string) bool {
	switch op {
	case "ListUsers", "ListRoles", "ListPolicies", "ListInstanceProfiles", "ListVirtualMFADevices", "ListAccountAliases", "GetAccountSummary",
		"SimulateCustomPolicy", "GetContextKeysForCustomPolicy":
		return true
	}
	return false
}

// access names what an operation wants: the user, role or policy that its input
// names, and the condition keys of IAM: tags, boundary, the policy attached.
func (s *server) access(op string, call *apiserver.Call, in any) []apiserver.Access {
	a := apiserver.Access{Action: "iam:" + op, Resource: "*", Keys: map[string][]string{}}
	if unspecific(op) {
		return []apiserver.Access{a}
	}
	v := reflect.ValueOf(in).Elem()
	member := func(name string) *string {
		f := v.FieldByName(name)
		if !f.IsValid() {
			return nil
		}
		p, _ := f.Interface().(*string)
		return p
	}
	path, boundary := member("Path"), member("PermissionsBoundary")
	switch role, arn := member("RoleName"), member("PolicyArn"); {
	case role != nil:
		a.Resource = s.arnOf(iam.KindRole, *role, path)
	case v.FieldByName("UserName").IsValid():
		if name, err := s.own(call, member("UserName")); err == nil {
			a.Resource = s.arnOf(iam.KindUser, name, path)
		}
	case op == "GetAccessKeyLastUsed":
		if user, ok := s.UserOfKey(text(member("AccessKeyId"))); ok {
			a.Resource = user.ARN()
		}
	case op == "SimulatePrincipalPolicy":
		a.Resource = text(member("PolicySourceArn"))
	case arn != nil:
		a.Resource = *arn
	case member("PolicyName") != nil:
		a.Resource = resourceARN("policy", pathOf(path), *member("PolicyName"))
	}
	if arn := member("PolicyArn"); arn != nil && (strings.HasPrefix(op, "Attach") || strings.HasPrefix(op, "Detach")) {
		a.Keys["iam:policyarn"] = []string{*arn}
	}
	if boundary == nil && (v.FieldByName("RoleName").IsValid() || v.FieldByName("UserName").IsValid()) {
		boundary = s.boundaryOf(v, member)
	}
	if boundary != nil {
		a.Keys["iam:permissionsboundary"] = []string{*boundary}
	}
	if f := v.FieldByName("Tags"); f.IsValid() {
		if tags, ok := f.Interface().([]*wire.Tag); ok {
			tagKeys(a.Keys, tags)
		}
	}
	if f := v.FieldByName("TagKeys"); f.IsValid() {
		if keys, ok := f.Interface().([]string); ok {
			a.Keys["aws:tagkeys"] = keys
		}
	}
	s.resourceTags(a)
	return []apiserver.Access{a}
}

// boundaryOf is the boundary that the user or role has already: who may only
// make principals within a boundary may only change such.
func (s *server) boundaryOf(v reflect.Value, member func(string) *string) *string {
	kind, name := iam.KindUser, member("UserName")
	if v.FieldByName("RoleName").IsValid() {
		kind, name = iam.KindRole, member("RoleName")
	}
	if p, err := s.Get(kind, text(name)); err == nil && p.Boundary != "" {
		return &p.Boundary
	}
	return nil
}

// resourceTags adds the tags of what the access is on.
func (s *server) resourceTags(a apiserver.Access) {
	tags := map[string]string{}
	last := a.Resource[strings.LastIndexByte(a.Resource, '/')+1:]
	for kind, part := range map[iam.Kind]string{iam.KindUser: ":user/", iam.KindRole: ":role/"} {
		if p, err := s.Get(kind, last); err == nil && strings.Contains(a.Resource, part) {
			tags = p.Tags
		}
	}
	if p, err := s.Policy(a.Resource); err == nil {
		tags = p.Tags
	}
	for k, v := range tags {
		for _, prefix := range []string{"aws:resourcetag/", "iam:resourcetag/"} {
			a.Keys[prefix+strings.ToLower(k)] = []string{v}
		}
	}
}

// arnOf is the ARN of a user or role: with the path it has, or is to get.
func (s *server) arnOf(kind iam.Kind, name string, path *string) string {
	if p, err := s.Get(kind, name); err == nil {
		return p.ARN()
	}
	return resourceARN(string(kind), pathOf(path), name)
}
