package api

import (
	"context"
	"time"

	"vodwright.dev/vodwright/internal/awsapi/apiserver"
	wire "vodwright.dev/vodwright/internal/awsapi/iam"
	"vodwright.dev/vodwright/internal/iam"
)

// rootCreated stands for when the account was made; nobody keeps it.
var rootCreated = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)

// lacking are the lists of what the house does not have, which Terraform and
// others ask for before they delete a user or a role.
func (s *server) lacking() map[string]apiserver.Handler {
	role := func(name *string) error { _, err := s.Get(iam.KindRole, text(name)); return err }
	user := func(name *string) error {
		if name == nil {
			return nil
		}
		_, err := s.Get(iam.KindUser, *name)
		return err
	}
	return map[string]apiserver.Handler{
		"ListInstanceProfilesForRole": apiserver.Handle(func(_ context.Context, _ *apiserver.Call, in *wire.ListInstanceProfilesForRoleInput) (*wire.ListInstanceProfilesForRoleOutput, error) {
			return &wire.ListInstanceProfilesForRoleOutput{InstanceProfiles: []*wire.InstanceProfile{}, IsTruncated: new(bool)}, role(in.RoleName)
		}),
		"ListInstanceProfiles": apiserver.Handle(func(context.Context, *apiserver.Call, *wire.ListInstanceProfilesInput) (*wire.ListInstanceProfilesOutput, error) {
			return &wire.ListInstanceProfilesOutput{InstanceProfiles: []*wire.InstanceProfile{}, IsTruncated: new(bool)}, nil
		}),
		"ListGroupsForUser": apiserver.Handle(func(_ context.Context, _ *apiserver.Call, in *wire.ListGroupsForUserInput) (*wire.ListGroupsForUserOutput, error) {
			return &wire.ListGroupsForUserOutput{Groups: []*wire.Group{}, IsTruncated: new(bool)}, user(in.UserName)
		}),
		"ListMFADevices": apiserver.Handle(func(_ context.Context, _ *apiserver.Call, in *wire.ListMFADevicesInput) (*wire.ListMFADevicesOutput, error) {
			return &wire.ListMFADevicesOutput{MFADevices: []*wire.MFADevice{}, IsTruncated: new(bool)}, user(in.UserName)
		}),
		"ListVirtualMFADevices": apiserver.Handle(func(context.Context, *apiserver.Call, *wire.ListVirtualMFADevicesInput) (*wire.ListVirtualMFADevicesOutput, error) {
			return &wire.ListVirtualMFADevicesOutput{VirtualMFADevices: []*wire.VirtualMFADevice{}, IsTruncated: new(bool)}, nil
		}),
		"ListSigningCertificates": apiserver.Handle(func(_ context.Context, _ *apiserver.Call, in *wire.ListSigningCertificatesInput) (*wire.ListSigningCertificatesOutput, error) {
			return &wire.ListSigningCertificatesOutput{Certificates: []*wire.SigningCertificate{}, IsTruncated: new(bool)}, user(in.UserName)
		}),
		"ListSSHPublicKeys": apiserver.Handle(func(_ context.Context, _ *apiserver.Call, in *wire.ListSSHPublicKeysInput) (*wire.ListSSHPublicKeysOutput, error) {
			return &wire.ListSSHPublicKeysOutput{SSHPublicKeys: []*wire.SSHPublicKeyMetadata{}, IsTruncated: new(bool)}, user(in.UserName)
		}),
		"ListServiceSpecificCredentials": apiserver.Handle(func(_ context.Context, _ *apiserver.Call, in *wire.ListServiceSpecificCredentialsInput) (*wire.ListServiceSpecificCredentialsOutput, error) {
			return &wire.ListServiceSpecificCredentialsOutput{ServiceSpecificCredentials: []*wire.ServiceSpecificCredentialMetadata{}}, user(in.UserName)
		}),
		"GetLoginProfile": apiserver.Handle(func(_ context.Context, _ *apiserver.Call, in *wire.GetLoginProfileInput) (*wire.GetLoginProfileOutput, error) {
			if err := user(in.UserName); err != nil {
				return nil, err
			}
			return nil, noSuchEntity("Login Profile for User %s cannot be found.", text(in.UserName))
		}),
		"DeleteLoginProfile": apiserver.Handle(func(_ context.Context, _ *apiserver.Call, in *wire.DeleteLoginProfileInput) (*wire.DeleteLoginProfileOutput, error) {
			if err := user(in.UserName); err != nil {
				return nil, err
			}
			return nil, noSuchEntity("Login Profile for User %s cannot be found.", text(in.UserName))
		}),
		"ListAccountAliases": apiserver.Handle(func(context.Context, *apiserver.Call, *wire.ListAccountAliasesInput) (*wire.ListAccountAliasesOutput, error) {
			return &wire.ListAccountAliasesOutput{AccountAliases: []string{}, IsTruncated: new(bool)}, nil
		}),
		"GetAccountSummary": apiserver.Handle(s.getAccountSummary),
	}
}

func (s *server) getAccountSummary(context.Context, *apiserver.Call, *wire.GetAccountSummaryInput) (*wire.GetAccountSummaryOutput, error) {
	count := map[string]int32{
		"Users": int32(len(s.List(iam.KindUser, ""))), "Roles": int32(len(s.List(iam.KindRole, ""))), "Groups": 0, "InstanceProfiles": 0,
		"MFADevices": 0, "AccountMFAEnabled": 0, "AccountAccessKeysPresent": 1, "AccessKeysPerUserQuota": 2, "VersionsPerPolicyQuota": 5,
	}
	for _, p := range s.Policies() {
		if !p.AWS {
			count["Policies"]++
			count["PolicyVersionsInUse"] += int32(len(p.Versions))
		}
	}
	return &wire.GetAccountSummaryOutput{SummaryMap: count}, nil
}
