"""Drives every operation of IAM and STS that the house has, with boto3."""
import json, os
import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

url = os.environ["ENDPOINT"]


def client(service, key=None):
    extra = {}
    if key:
        extra = dict(aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"], aws_session_token=key.get("SessionToken"))
    return boto3.client(service, endpoint_url=url, region_name="us-east-1", config=Config(retries={"max_attempts": 1}, parameter_validation=False), **extra)


iam, sts = client("iam"), client("sts")
ACCOUNT = "000000000000"


def doc(action, resource="*", effect="Allow", **more):
    return json.dumps({"Version": "2012-10-17", "Statement": [dict(Effect=effect, Action=action, Resource=resource, **more)]})


def trust(principal, **more):
    return json.dumps({"Version": "2012-10-17", "Statement": [dict(Effect="Allow", Principal=principal, Action="sts:AssumeRole", **more)]})


def refused(code, call, status=None, text="", **arguments):
    try:
        call(**arguments)
    except ClientError as e:
        got = e.response["Error"]
        assert got["Code"] == code, (got, code)
        assert status is None or e.response["ResponseMetadata"]["HTTPStatusCode"] == status, (e.response, status)
        assert text in got["Message"], got
        return
    raise AssertionError(f"{call} {arguments} was not refused with {code}")


# users
assert iam.list_users()["Users"] == []
u = iam.create_user(UserName="anna", Path="/team/", Tags=[{"Key": "b", "Value": "2"}, {"Key": "a", "Value": ""}])["User"]
assert u["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/team/anna" and u["UserId"].startswith("AIDA") and len(u["UserId"]) == 21, u
refused("EntityAlreadyExists", iam.create_user, 409, UserName="Anna")
refused("NoSuchEntity", iam.get_user, 404, text="The user with name otto cannot be found.", UserName="otto")
refused("ValidationError", iam.create_user, 400, UserName="a b")
refused("ValidationError", iam.create_user, 400, UserName="x" * 65)
refused("ValidationError", iam.create_user, 400, UserName="x", Path="no")
refused("NoSuchEntity", iam.create_user, 404, UserName="x", PermissionsBoundary="arn:aws:iam::aws:policy/Nothing")
assert iam.get_user(UserName="anna")["User"]["Tags"] == [{"Key": "a", "Value": ""}, {"Key": "b", "Value": "2"}]
iam.tag_user(UserName="anna", Tags=[{"Key": "c", "Value": "3"}, {"Key": "b", "Value": "4"}])
iam.untag_user(UserName="anna", TagKeys=["a"])
refused("InvalidInput", iam.tag_user, 400, "case insensitive", UserName="anna", Tags=[{"Key": "x", "Value": ""}, {"Key": "X", "Value": ""}])
refused("InvalidInput", iam.tag_user, 400, "aws:", UserName="anna", Tags=[{"Key": "aws:x", "Value": ""}])
assert iam.list_user_tags(UserName="anna")["Tags"] == [{"Key": "b", "Value": "4"}, {"Key": "c", "Value": "3"}]
iam.update_user(UserName="anna", NewUserName="annika", NewPath="/")
refused("NoSuchEntity", iam.get_user, UserName="anna")
assert iam.get_user(UserName="annika")["User"]["UserId"] == u["UserId"]
iam.update_user(UserName="annika", NewUserName="anna")
assert iam.get_user()["User"]["Arn"] == f"arn:aws:iam::{ACCOUNT}:root"
for i in range(5):
    iam.create_user(UserName=f"u{i}", Path="/many/")
first = iam.list_users(PathPrefix="/many/", MaxItems=2)
assert first["IsTruncated"] and len(first["Users"]) == 2
assert [x["UserName"] for p in iam.get_paginator("list_users").paginate(PathPrefix="/many/", PaginationConfig={"PageSize": 2}) for x in p["Users"]] == [f"u{i}" for i in range(5)]
refused("ValidationError", iam.list_users, Marker="?")

# access keys
k = iam.create_access_key(UserName="anna")["AccessKey"]
assert k["AccessKeyId"].startswith("AKIA") and len(k["SecretAccessKey"]) == 40 and k["Status"] == "Active"
assert client("sts", k).get_caller_identity() | {"ResponseMetadata": 0} == {"UserId": u["UserId"], "Account": ACCOUNT, "Arn": f"arn:aws:iam::{ACCOUNT}:user/anna", "ResponseMetadata": 0}
refused("AccessDenied", client("iam", k).list_users, 403, text=f"User: arn:aws:iam::{ACCOUNT}:user/anna is not authorized to perform: iam:ListUsers on resource: * because no identity-based policy allows the iam:ListUsers action")
assert iam.get_access_key_last_used(AccessKeyId=k["AccessKeyId"])["AccessKeyLastUsed"]["ServiceName"] == "iam"
iam.update_access_key(UserName="anna", AccessKeyId=k["AccessKeyId"], Status="Inactive")
refused("InvalidClientTokenId", client("sts", k).get_caller_identity, 403)
iam.update_access_key(UserName="anna", AccessKeyId=k["AccessKeyId"], Status="Active")
k2 = iam.create_access_key(UserName="anna")["AccessKey"]
assert iam.get_access_key_last_used(AccessKeyId=k2["AccessKeyId"])["AccessKeyLastUsed"] == {"ServiceName": "N/A", "Region": "N/A"}
refused("LimitExceeded", iam.create_access_key, 409, UserName="anna")
assert sorted(x["AccessKeyId"] for x in iam.list_access_keys(UserName="anna")["AccessKeyMetadata"]) == sorted([k["AccessKeyId"], k2["AccessKeyId"]])
refused("DeleteConflict", iam.delete_user, 409, text="access keys", UserName="anna")
iam.delete_access_key(UserName="anna", AccessKeyId=k2["AccessKeyId"])
refused("NoSuchEntity", iam.delete_access_key, UserName="anna", AccessKeyId=k2["AccessKeyId"])
refused("AccessDenied", iam.get_access_key_last_used, AccessKeyId="AKIANOBODYNOBODYNOBO")
assert iam.list_access_keys()["AccessKeyMetadata"] == []

# inline and managed policies of a user
iam.put_user_policy(UserName="anna", PolicyName="p", PolicyDocument=doc("iam:List*"))
assert iam.get_user_policy(UserName="anna", PolicyName="p")["PolicyDocument"] == json.loads(doc("iam:List*"))
assert iam.list_user_policies(UserName="anna")["PolicyNames"] == ["p"]
client("iam", k).list_users()
refused("MalformedPolicyDocument", iam.put_user_policy, 400, text="Statement[0]", UserName="anna", PolicyName="p", PolicyDocument=doc("List"))
refused("LimitExceeded", iam.put_user_policy, 409, UserName="anna", PolicyName="q", PolicyDocument=doc("s3:*", "arn:aws:s3:::" + "x" * 2048))
iam.delete_user_policy(UserName="anna", PolicyName="p")
refused("NoSuchEntity", iam.delete_user_policy, UserName="anna", PolicyName="p")
refused("NoSuchEntity", iam.get_user_policy, UserName="anna", PolicyName="p")
READ = "arn:aws:iam::aws:policy/IAMReadOnlyAccess"
iam.attach_user_policy(UserName="anna", PolicyArn=READ)
iam.attach_user_policy(UserName="anna", PolicyArn=READ)
assert iam.list_attached_user_policies(UserName="anna")["AttachedPolicies"] == [{"PolicyName": "IAMReadOnlyAccess", "PolicyArn": READ}]
client("iam", k).list_users()
iam.put_user_permissions_boundary(UserName="anna", PermissionsBoundary="arn:aws:iam::aws:policy/AmazonS3FullAccess")
assert iam.get_user(UserName="anna")["User"]["PermissionsBoundary"]["PermissionsBoundaryArn"].endswith("AmazonS3FullAccess")
refused("AccessDenied", client("iam", k).list_users, 403, text="because no permissions boundary allows")
iam.delete_user_permissions_boundary(UserName="anna")
refused("NoSuchEntity", iam.delete_user_permissions_boundary, UserName="anna")
refused("DeleteConflict", iam.delete_user, 409, text="detach all policies", UserName="anna")
iam.detach_user_policy(UserName="anna", PolicyArn=READ)
refused("NoSuchEntity", iam.detach_user_policy, UserName="anna", PolicyArn=READ)

# managed policies
p = iam.create_policy(PolicyName="pol", Path="/x/", PolicyDocument=doc("s3:GetObject"), Description="d", Tags=[{"Key": "a", "Value": "b"}])["Policy"]
arn = p["Arn"]
assert arn == f"arn:aws:iam::{ACCOUNT}:policy/x/pol" and p["PolicyId"].startswith("ANPA") and p["DefaultVersionId"] == "v1" and p["AttachmentCount"] == 0 and p["IsAttachable"]
refused("EntityAlreadyExists", iam.create_policy, 409, PolicyName="pol", PolicyDocument=doc("s3:GetObject"))
refused("MalformedPolicyDocument", iam.create_policy, 400, PolicyName="bad", PolicyDocument="{}")
refused("LimitExceeded", iam.create_policy, 409, PolicyName="big", PolicyDocument=doc("s3:*", ["arn:aws:s3:::" + "x" * 6144]))
assert iam.get_policy(PolicyArn=arn)["Policy"]["Description"] == "d"
v = iam.create_policy_version(PolicyArn=arn, PolicyDocument=doc("s3:PutObject"), SetAsDefault=True)["PolicyVersion"]
assert v["VersionId"] == "v2" and v["IsDefaultVersion"]
assert iam.get_policy_version(PolicyArn=arn, VersionId="v1")["PolicyVersion"]["Document"] == json.loads(doc("s3:GetObject"))
assert [(x["VersionId"], x["IsDefaultVersion"]) for x in iam.list_policy_versions(PolicyArn=arn)["Versions"]] == [("v2", True), ("v1", False)]
refused("DeleteConflict", iam.delete_policy_version, 409, PolicyArn=arn, VersionId="v2")
iam.set_default_policy_version(PolicyArn=arn, VersionId="v1")
refused("NoSuchEntity", iam.set_default_policy_version, PolicyArn=arn, VersionId="v9")
refused("DeleteConflict", iam.delete_policy, 409, text="more than one version", PolicyArn=arn)
iam.delete_policy_version(PolicyArn=arn, VersionId="v2")
refused("NoSuchEntity", iam.get_policy_version, PolicyArn=arn, VersionId="v2")
for i in range(4):
    assert iam.create_policy_version(PolicyArn=arn, PolicyDocument=doc("s3:PutObject"))["PolicyVersion"]["VersionId"] == f"v{i + 3}"
refused("LimitExceeded", iam.create_policy_version, 409, PolicyArn=arn, PolicyDocument=doc("s3:PutObject"))
for i in range(4):
    iam.delete_policy_version(PolicyArn=arn, VersionId=f"v{i + 3}")
iam.tag_policy(PolicyArn=arn, Tags=[{"Key": "c", "Value": "d"}])
iam.untag_policy(PolicyArn=arn, TagKeys=["a"])
assert iam.list_policy_tags(PolicyArn=arn)["Tags"] == [{"Key": "c", "Value": "d"}]
names = [x["PolicyName"] for page in iam.get_paginator("list_policies").paginate(Scope="AWS", PaginationConfig={"PageSize": 5}) for x in page["Policies"]]
assert "AWSLambdaBasicExecutionRole" in names and "AdministratorAccess" in names and "pol" not in names and len(names) == len(set(names))
assert [x["PolicyName"] for x in iam.list_policies(Scope="Local")["Policies"]] == ["pol"]
assert iam.list_policies(OnlyAttached=True)["Policies"] == []
assert iam.get_policy_version(PolicyArn="arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole", VersionId="v1")["PolicyVersion"]["Document"]["Statement"][0]["Action"] == ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"]
refused("AccessDenied", iam.delete_policy, 403, PolicyArn=READ)
refused("AccessDenied", iam.create_policy_version, 403, PolicyArn=READ, PolicyDocument=doc("s3:*"))

# roles
r = iam.create_role(RoleName="enc", Path="/r/", Description="ü", MaxSessionDuration=7200, AssumeRolePolicyDocument=trust({"Service": "mediaconvert.amazonaws.com"}), Tags=[{"Key": "a", "Value": "b"}])["Role"]
assert r["Arn"] == f"arn:aws:iam::{ACCOUNT}:role/r/enc" and r["RoleId"].startswith("AROA") and r["MaxSessionDuration"] == 7200 and r["AssumeRolePolicyDocument"]["Statement"][0]["Principal"] == {"Service": "mediaconvert.amazonaws.com"}
refused("EntityAlreadyExists", iam.create_role, 409, RoleName="ENC", AssumeRolePolicyDocument=trust("*"))
refused("MalformedPolicyDocument", iam.create_role, 400, RoleName="x", AssumeRolePolicyDocument=doc("sts:AssumeRole"))
refused("MalformedPolicyDocument", iam.create_role, 400, text='Invalid principal in policy: "AWS":"arn:aws:iam::000000000000:user/nobody"', RoleName="x", AssumeRolePolicyDocument=trust({"AWS": f"arn:aws:iam::{ACCOUNT}:user/nobody"}))
refused("ValidationError", iam.create_role, 400, RoleName="x", MaxSessionDuration=60, AssumeRolePolicyDocument=trust("*"))
assert iam.get_role(RoleName="enc")["Role"]["Description"] == "ü"
iam.update_role(RoleName="enc", Description="new", MaxSessionDuration=3600)
assert iam.update_role_description(RoleName="enc", Description="newer")["Role"]["MaxSessionDuration"] == 3600
iam.put_role_policy(RoleName="enc", PolicyName="odd name+=,.@-".replace(" ", ""), PolicyDocument=doc("s3:GetObject", "arn:aws:s3:::b/a b+c%"))
assert iam.get_role_policy(RoleName="enc", PolicyName="oddname+=,.@-")["PolicyDocument"]["Statement"][0]["Resource"] == "arn:aws:s3:::b/a b+c%"
assert iam.list_role_policies(RoleName="enc")["PolicyNames"] == ["oddname+=,.@-"]
iam.attach_role_policy(RoleName="enc", PolicyArn=arn)
assert iam.get_policy(PolicyArn=arn)["Policy"]["AttachmentCount"] == 1
iam.put_role_permissions_boundary(RoleName="enc", PermissionsBoundary=arn)
entities = iam.list_entities_for_policy(PolicyArn=arn)
assert [x["RoleName"] for x in entities["PolicyRoles"]] == ["enc"] and entities["PolicyUsers"] == [] and entities["PolicyGroups"] == []
assert iam.list_entities_for_policy(PolicyArn=arn, EntityFilter="User")["PolicyRoles"] == []
assert [x["PolicyName"] for x in iam.list_policies(OnlyAttached=True)["Policies"]] == ["pol"]
iam.delete_role_permissions_boundary(RoleName="enc")
assert iam.list_attached_role_policies(RoleName="enc")["AttachedPolicies"][0]["PolicyArn"] == arn
refused("DeleteConflict", iam.delete_policy, 409, text="attached", PolicyArn=arn)
refused("DeleteConflict", iam.delete_role, 409, text="detach all policies", RoleName="enc")
iam.detach_role_policy(RoleName="enc", PolicyArn=arn)
refused("DeleteConflict", iam.delete_role, 409, text="must delete policies first", RoleName="enc")
iam.tag_role(RoleName="enc", Tags=[{"Key": "x", "Value": "y"}])
iam.untag_role(RoleName="enc", TagKeys=["a"])
assert iam.list_role_tags(RoleName="enc")["Tags"] == [{"Key": "x", "Value": "y"}]
assert [x["RoleName"] for x in iam.list_roles(PathPrefix="/r/")["Roles"]] == ["enc"] and iam.list_roles(PathPrefix="/s/")["Roles"] == []
assert iam.list_instance_profiles_for_role(RoleName="enc")["InstanceProfiles"] == []
refused("NoSuchEntity", iam.list_instance_profiles_for_role, RoleName="none")

# sessions
iam.update_assume_role_policy(RoleName="enc", PolicyDocument=trust({"AWS": f"arn:aws:iam::{ACCOUNT}:user/anna"}, Condition={"StringEquals": {"sts:ExternalId": "secret"}}))
anna = client("sts", k)
refused("AccessDenied", anna.assume_role, 403, text=f"User: arn:aws:iam::{ACCOUNT}:user/anna is not authorized to perform: sts:AssumeRole on resource: {r['Arn']}", RoleArn=r["Arn"], RoleSessionName="s1")
refused("AccessDenied", anna.assume_role, 403, RoleArn=r["Arn"] + "x", RoleSessionName="s1", ExternalId="secret")
refused("ValidationError", anna.assume_role, 400, RoleArn=r["Arn"], RoleSessionName="s1", ExternalId="secret", DurationSeconds=7200)
refused("ValidationError", anna.assume_role, 400, RoleArn=r["Arn"], RoleSessionName="s 1", ExternalId="secret")
refused("MalformedPolicyDocument", anna.assume_role, 400, RoleArn=r["Arn"], RoleSessionName="s1", ExternalId="secret", Policy="{")
a = anna.assume_role(RoleArn=r["Arn"], RoleSessionName="s1", ExternalId="secret", DurationSeconds=900)
assert a["AssumedRoleUser"] == {"AssumedRoleId": r["RoleId"] + ":s1", "Arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/enc/s1"}, a
s = client("sts", a["Credentials"])
assert s.get_caller_identity()["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/enc/s1"
iam.put_role_policy(RoleName="enc", PolicyName="iam", PolicyDocument=doc("iam:*"))
client("iam", a["Credentials"]).list_users()
limited = anna.assume_role(RoleArn=r["Arn"], RoleSessionName="s2", ExternalId="secret", Policy=doc("iam:ListRoles"))
assert limited["PackedPolicySize"] > 0
client("iam", limited["Credentials"]).list_roles()
refused("AccessDenied", client("iam", limited["Credentials"]).list_users, 403, text="because no session policy allows", )
foreign = dict(a["Credentials"], SessionToken=limited["Credentials"]["SessionToken"])
refused("InvalidClientTokenId", client("sts", foreign).get_caller_identity, 403)
refused("InvalidClientTokenId", client("sts", dict(a["Credentials"], SessionToken=None)).get_caller_identity, 403)
refused("SignatureDoesNotMatch", client("sts", dict(k, SecretAccessKey="x" * 40)).get_caller_identity, 403)
refused("InvalidClientTokenId", client("sts", dict(k, AccessKeyId="AKIANOBODYNOBODYNOBO")).get_caller_identity, 403)
t = anna.get_session_token(DurationSeconds=900)["Credentials"]
assert client("sts", t).get_caller_identity()["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/anna"
refused("AccessDenied", client("sts", t).get_session_token, 403)
client("iam", sts.get_session_token()["Credentials"]).list_users()

# who may only do it to themselves, or only within a boundary
iam.put_user_policy(UserName="anna", PolicyName="self", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Action": ["iam:*AccessKey*", "iam:GetUser"], "Resource": "arn:aws:iam::*:user/${aws:username}"},
    {"Effect": "Allow", "Action": "iam:CreateRole", "Resource": "arn:aws:iam::*:role/app/*", "Condition": {"ArnEquals": {"iam:PermissionsBoundary": arn}, "StringEquals": {"aws:RequestTag/team": "blue"}}},
    {"Effect": "Allow", "Action": "iam:AttachRolePolicy", "Resource": "*", "Condition": {"ArnLike": {"iam:PolicyARN": "arn:aws:iam::aws:policy/AmazonS3*"}}},
]}))
own = client("iam", k)
assert own.get_user()["User"]["UserName"] == "anna"
key = own.create_access_key()["AccessKey"]["AccessKeyId"]
own.delete_access_key(AccessKeyId=key)
refused("AccessDenied", own.create_access_key, UserName="u0")
team = [{"Key": "team", "Value": "blue"}]
refused("AccessDenied", own.create_role, RoleName="a", Path="/app/", AssumeRolePolicyDocument=trust("*"), Tags=team)
refused("AccessDenied", own.create_role, RoleName="a", Path="/app/", AssumeRolePolicyDocument=trust("*"), PermissionsBoundary=arn)
refused("AccessDenied", own.create_role, RoleName="a", Path="/", AssumeRolePolicyDocument=trust("*"), PermissionsBoundary=arn, Tags=team)
own.create_role(RoleName="a", Path="/app/", AssumeRolePolicyDocument=trust("*"), PermissionsBoundary=arn, Tags=team)
own.attach_role_policy(RoleName="a", PolicyArn="arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess")
refused("AccessDenied", own.attach_role_policy, RoleName="a", PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")

# simulation
decisions = lambda out: {x["EvalActionName"]: x["EvalDecision"] for x in out["EvaluationResults"]}
assert decisions(iam.simulate_principal_policy(PolicySourceArn=r["Arn"], ActionNames=["iam:ListUsers", "s3:PutObject"])) == {"iam:ListUsers": "allowed", "s3:PutObject": "implicitDeny"}
assert decisions(iam.simulate_custom_policy(PolicyInputList=[doc("s3:*"), doc("s3:Put*", effect="Deny")], ActionNames=["s3:GetObject", "s3:PutObject"])) == {"s3:GetObject": "allowed", "s3:PutObject": "explicitDeny"}
assert iam.get_context_keys_for_custom_policy(PolicyInputList=[doc("s3:*", Condition={"StringEquals": {"aws:username": "x"}})])["ContextKeyNames"] == ["aws:username"]

# what there is none of
assert iam.list_instance_profiles()["InstanceProfiles"] == [] and iam.list_groups_for_user(UserName="anna")["Groups"] == [] and iam.list_mfa_devices(UserName="anna")["MFADevices"] == []
assert iam.list_virtual_mfa_devices()["VirtualMFADevices"] == [] and iam.list_signing_certificates(UserName="anna")["Certificates"] == [] and iam.list_ssh_public_keys(UserName="anna")["SSHPublicKeys"] == []
assert iam.list_service_specific_credentials(UserName="anna")["ServiceSpecificCredentials"] == [] and iam.list_account_aliases()["AccountAliases"] == []
refused("NoSuchEntity", iam.get_login_profile, UserName="anna")
refused("NoSuchEntity", iam.delete_login_profile, UserName="anna")
assert iam.get_account_summary()["SummaryMap"]["Users"] == 6
refused("NotImplementedException", iam.create_group, 501, text="CreateGroup", GroupName="g")
refused("NotImplementedException", sts.get_federation_token, 501, Name="ff")

# and away again
for name in ["oddname+=,.@-", "iam"]:
    iam.delete_role_policy(RoleName="enc", PolicyName=name)
iam.delete_role(RoleName="enc")
refused("InvalidClientTokenId", client("iam", a["Credentials"]).list_users, 403)
refused("NoSuchEntity", iam.delete_role, RoleName="enc")
iam.detach_role_policy(RoleName="a", PolicyArn="arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess")
refused("DeleteConflict", iam.delete_policy, 409, PolicyArn=arn)
iam.delete_role(RoleName="a")
iam.delete_policy(PolicyArn=arn)
refused("NoSuchEntity", iam.get_policy, PolicyArn=arn)
refused("DeleteConflict", iam.delete_user, UserName="anna")
iam.delete_user_policy(UserName="anna", PolicyName="self")
iam.delete_access_key(UserName="anna", AccessKeyId=k["AccessKeyId"])
for name in ["anna"] + [f"u{i}" for i in range(5)]:
    iam.delete_user(UserName=name)
assert iam.list_users()["Users"] == [] and iam.list_roles()["Roles"] == []
print("all operations answered")
