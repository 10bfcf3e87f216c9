package cloudfront_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/cloudfront"
	"github.com/aws/aws-sdk-go-v2/service/cloudfront/types"

	"vodwright.dev/vodwright/internal/cloudfront"
)

func pemOf(t *testing.T, key any) *string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return aws.String(string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})))
}

func rsaKey(t *testing.T, bits int) *string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return pemOf(t, &key.PublicKey)
}

func ecKey(t *testing.T, curve elliptic.Curve) *string {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return pemOf(t, &key.PublicKey)
}

// A distribution that refers to one of everything; what is referred to stays
// until nothing refers to it any more.
func TestWhatADistributionRefersTo(t *testing.T) {
	base, records, edge := serveFor(t, nil)
	c, ctx := client(base), t.Context()
	control, err := c.CreateOriginAccessControl(ctx, &sdk.CreateOriginAccessControlInput{OriginAccessControlConfig: &types.OriginAccessControlConfig{
		Name: aws.String("streams"), OriginAccessControlOriginType: "s3", SigningBehavior: "no-override", SigningProtocol: "sigv4",
	}})
	if err != nil || !strings.HasSuffix(*control.Location, "/2020-05-31/origin-access-control/"+*control.OriginAccessControl.Id) {
		t.Fatalf("%+v, %v", control, err)
	}
	policy := &types.CachePolicyConfig{
		Name: aws.String("own"), MinTTL: aws.Int64(1), DefaultTTL: aws.Int64(60), MaxTTL: aws.Int64(600),
		ParametersInCacheKeyAndForwardedToOrigin: &types.ParametersInCacheKeyAndForwardedToOrigin{
			EnableAcceptEncodingGzip: aws.Bool(true),
			HeadersConfig:            &types.CachePolicyHeadersConfig{HeaderBehavior: "none"},
			CookiesConfig:            &types.CachePolicyCookiesConfig{CookieBehavior: "none"},
			QueryStringsConfig:       &types.CachePolicyQueryStringsConfig{QueryStringBehavior: "whitelist", QueryStrings: &types.QueryStringNames{Quantity: aws.Int32(1), Items: []string{"v"}}},
		},
	}
	own, err := c.CreateCachePolicy(ctx, &sdk.CreateCachePolicyInput{CachePolicyConfig: policy})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.CreateCachePolicy(ctx, &sdk.CreateCachePolicyInput{CachePolicyConfig: policy})
	wantCode(t, err, "CachePolicyAlreadyExists", 409, "own")
	keyIn := &sdk.CreatePublicKeyInput{PublicKeyConfig: &types.PublicKeyConfig{Name: aws.String("viewers"), CallerReference: aws.String("1"), EncodedKey: rsaKey(t, 2048)}}
	rsaOne, err := c.CreatePublicKey(ctx, keyIn)
	if err != nil || !strings.HasPrefix(*rsaOne.PublicKey.Id, "K") {
		t.Fatalf("%+v, %v", rsaOne, err)
	}
	if again, err := c.CreatePublicKey(ctx, keyIn); err != nil || *again.PublicKey.Id != *rsaOne.PublicKey.Id {
		t.Errorf("the same request again: %+v, %v", again, err)
	}
	ecOne, err := c.CreatePublicKey(ctx, &sdk.CreatePublicKeyInput{PublicKeyConfig: &types.PublicKeyConfig{Name: aws.String("phones"), CallerReference: aws.String("2"), EncodedKey: ecKey(t, elliptic.P256())}})
	if err != nil {
		t.Fatal(err)
	}
	group, err := c.CreateKeyGroup(ctx, &sdk.CreateKeyGroupInput{KeyGroupConfig: &types.KeyGroupConfig{Name: aws.String("viewers"), Items: []string{*rsaOne.PublicKey.Id, *ecOne.PublicKey.Id}}})
	if err != nil {
		t.Fatal(err)
	}

	d := config("all", "bucket.s3.us-east-1.amazonaws.com")
	d.Origins.Items[0].OriginAccessControlId = control.OriginAccessControl.Id
	d.DefaultCacheBehavior.CachePolicyId = own.CachePolicy.Id
	d.DefaultCacheBehavior.TrustedKeyGroups = &types.TrustedKeyGroups{Enabled: aws.Bool(true), Quantity: aws.Int32(1), Items: []string{*group.KeyGroup.Id}}
	d.DefaultCacheBehavior.OriginRequestPolicyId = aws.String(cloudfront.SignPlaylists)
	d.CacheBehaviors = &types.CacheBehaviors{Quantity: aws.Int32(1), Items: []types.CacheBehavior{{
		PathPattern: aws.String("/free/*"), TargetOriginId: aws.String("o"), ViewerProtocolPolicy: "allow-all", CachePolicyId: aws.String("4135ea2d-6df8-44a3-9df3-4b5a84be39ad"),
	}}}
	d.Aliases = &types.Aliases{Quantity: aws.Int32(2), Items: []string{"Video.example.com", "*.video.example.com"}}
	d.Logging = &types.LoggingConfig{Enabled: aws.Bool(true), IncludeCookies: aws.Bool(false), Bucket: aws.String("logs.s3.amazonaws.com"), Prefix: aws.String("edge/")}
	made, err := c.CreateDistributionWithTags(ctx, &sdk.CreateDistributionWithTagsInput{DistributionConfigWithTags: &types.DistributionConfigWithTags{
		DistributionConfig: d, Tags: &types.Tags{Items: []types.Tag{{Key: aws.String("team"), Value: aws.String("video")}}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	id := made.Distribution.Id
	if active := made.Distribution.ActiveTrustedKeyGroups; *active.Quantity != 1 || len(active.Items[0].KeyPairIds.Items) != 2 {
		t.Errorf("active key groups %+v", active)
	}
	record, err := records.Distribution(ctx, *id)
	if err != nil {
		t.Fatal(err)
	}
	deployed, err := cloudfront.Deploy(ctx, records, "000000000000", record)
	if err != nil {
		t.Fatal(err)
	}
	free, all := deployed.Behaviors[0], deployed.Behaviors[1]
	if o := deployed.Origins["o"]; !o.Signed || o.Bucket != "bucket" || deployed.LogBucket != "logs" || *free.PathPattern != "/free/*" || free.TrustedKeys != nil || free.SignPlaylists ||
		*all.PathPattern != "*" || len(all.TrustedKeys) != 2 || !all.SignPlaylists || *all.Cache.DefaultTTL != 60 || *free.Cache.MaxTTL != 0 {
		t.Errorf("deployed %+v", deployed)
	}
	if aliases, err := records.DistributionAliases(ctx); err != nil || aliases["video.example.com"] != record.DomainName || aliases["*.video.example.com"] != record.DomainName {
		t.Errorf("aliases %v, %v", aliases, err)
	}

	other := config("other", "bucket.s3.us-east-1.amazonaws.com")
	other.Aliases = &types.Aliases{Quantity: aws.Int32(1), Items: []string{"video.example.com"}}
	_, err = c.CreateDistribution(ctx, &sdk.CreateDistributionInput{DistributionConfig: other})
	wantCode(t, err, "CNAMEAlreadyExists", 409, "video.example.com")

	// Nothing of it goes while it is referred to.
	_, err = c.DeleteOriginAccessControl(ctx, &sdk.DeleteOriginAccessControlInput{Id: control.OriginAccessControl.Id, IfMatch: control.ETag})
	wantCode(t, err, "OriginAccessControlInUse", 409)
	_, err = c.DeleteCachePolicy(ctx, &sdk.DeleteCachePolicyInput{Id: own.CachePolicy.Id, IfMatch: own.ETag})
	wantCode(t, err, "CachePolicyInUse", 409)
	_, err = c.DeletePublicKey(ctx, &sdk.DeletePublicKeyInput{Id: rsaOne.PublicKey.Id, IfMatch: rsaOne.ETag})
	wantCode(t, err, "PublicKeyInUse", 409)
	_, err = c.DeleteKeyGroup(ctx, &sdk.DeleteKeyGroupInput{Id: group.KeyGroup.Id, IfMatch: group.ETag})
	wantCode(t, err, "ResourceInUse", 409)
	if l, err := c.ListDistributionsByCachePolicyId(ctx, &sdk.ListDistributionsByCachePolicyIdInput{CachePolicyId: own.CachePolicy.Id}); err != nil || !slices.Equal(l.DistributionIdList.Items, []string{*id}) {
		t.Errorf("%+v, %v", l, err)
	}
	if l, err := c.ListDistributionsByKeyGroup(ctx, &sdk.ListDistributionsByKeyGroupInput{KeyGroupId: group.KeyGroup.Id}); err != nil || !slices.Equal(l.DistributionIdList.Items, []string{*id}) {
		t.Errorf("%+v, %v", l, err)
	}
	if l, err := c.ListDistributionsByOriginRequestPolicyId(ctx, &sdk.ListDistributionsByOriginRequestPolicyIdInput{OriginRequestPolicyId: aws.String(cloudfront.SignPlaylists)}); err != nil || len(l.DistributionIdList.Items) != 1 {
		t.Errorf("%+v, %v", l, err)
	}

	// A change of what is referred to is a change of the distribution.
	policy.DefaultTTL = aws.Int64(61)
	_, err = c.UpdateCachePolicy(ctx, &sdk.UpdateCachePolicyInput{Id: own.CachePolicy.Id, IfMatch: aws.String("E0"), CachePolicyConfig: policy})
	wantCode(t, err, "PreconditionFailed", 412)
	_, err = c.UpdateCachePolicy(ctx, &sdk.UpdateCachePolicyInput{Id: own.CachePolicy.Id, CachePolicyConfig: policy})
	wantCode(t, err, "InvalidIfMatchVersion", 400)
	updated, err := c.UpdateCachePolicy(ctx, &sdk.UpdateCachePolicyInput{Id: own.CachePolicy.Id, IfMatch: own.ETag, CachePolicyConfig: policy})
	if err != nil {
		t.Fatal(err)
	}
	if deployed, err = cloudfront.Deploy(ctx, records, "000000000000", record); err != nil || *deployed.Behaviors[1].Cache.DefaultTTL != 61 || !slices.Contains(edge.forgotten, "") {
		t.Errorf("deployed %+v, %v", deployed.Behaviors[1].Cache, err)
	}
	key := *keyIn.PublicKeyConfig
	key.EncodedKey = rsaKey(t, 2048)
	_, err = c.UpdatePublicKey(ctx, &sdk.UpdatePublicKeyInput{Id: rsaOne.PublicKey.Id, IfMatch: rsaOne.ETag, PublicKeyConfig: &key})
	wantCode(t, err, "CannotChangeImmutablePublicKeyFields", 400)
	key.EncodedKey, key.Comment = keyIn.PublicKeyConfig.EncodedKey, aws.String("web")
	if _, err := c.UpdatePublicKey(ctx, &sdk.UpdatePublicKeyInput{Id: rsaOne.PublicKey.Id, IfMatch: rsaOne.ETag, PublicKeyConfig: &key}); err != nil {
		t.Error(err)
	}
	_, err = c.UpdateKeyGroup(ctx, &sdk.UpdateKeyGroupInput{Id: group.KeyGroup.Id, IfMatch: group.ETag, KeyGroupConfig: &types.KeyGroupConfig{Name: aws.String("viewers"), Items: []string{"K1"}}})
	wantCode(t, err, "InvalidArgument", 400, "K1")

	tags := func() map[string]string {
		l, err := c.ListTagsForResource(ctx, &sdk.ListTagsForResourceInput{Resource: made.Distribution.ARN})
		if err != nil {
			t.Fatal(err)
		}
		out := map[string]string{}
		for _, tag := range l.Tags.Items {
			out[*tag.Key] = *tag.Value
		}
		return out
	}
	if _, err := c.TagResource(ctx, &sdk.TagResourceInput{Resource: made.Distribution.ARN, Tags: &types.Tags{Items: []types.Tag{{Key: aws.String("env"), Value: aws.String("a b")}}}}); err != nil {
		t.Error(err)
	}
	if got := tags(); len(got) != 2 || got["team"] != "video" || got["env"] != "a b" {
		t.Errorf("tags %v", got)
	}
	if _, err := c.UntagResource(ctx, &sdk.UntagResourceInput{Resource: made.Distribution.ARN, TagKeys: &types.TagKeys{Items: []string{"team"}}}); err != nil {
		t.Error(err)
	}
	if got := tags(); len(got) != 1 {
		t.Errorf("tags %v", got)
	}
	_, err = c.ListTagsForResource(ctx, &sdk.ListTagsForResourceInput{Resource: aws.String("arn:aws:cloudfront::000000000000:distribution/E1")})
	wantCode(t, err, "NoSuchResource", 404)

	// Without the distribution, everything goes.
	d.Enabled = aws.Bool(false)
	off, err := c.UpdateDistribution(ctx, &sdk.UpdateDistributionInput{Id: id, IfMatch: made.ETag, DistributionConfig: d})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.DeleteDistribution(ctx, &sdk.DeleteDistributionInput{Id: id, IfMatch: off.ETag}); err != nil {
		t.Fatal(err)
	}
	if aliases, err := records.DistributionAliases(ctx); err != nil || len(aliases) != 0 {
		t.Errorf("aliases are left: %v, %v", aliases, err)
	}
	if _, err := c.CreateDistribution(ctx, &sdk.CreateDistributionInput{DistributionConfig: other}); err != nil {
		t.Errorf("the alias is not free: %v", err)
	}
	if _, err := c.DeleteCachePolicy(ctx, &sdk.DeleteCachePolicyInput{Id: own.CachePolicy.Id, IfMatch: updated.ETag}); err != nil {
		t.Error(err)
	}
	if _, err := c.DeleteOriginAccessControl(ctx, &sdk.DeleteOriginAccessControlInput{Id: control.OriginAccessControl.Id, IfMatch: control.ETag}); err != nil {
		t.Error(err)
	}
	if _, err := c.DeleteKeyGroup(ctx, &sdk.DeleteKeyGroupInput{Id: group.KeyGroup.Id, IfMatch: group.ETag}); err != nil {
		t.Error(err)
	}
	_, err = c.GetKeyGroup(ctx, &sdk.GetKeyGroupInput{Id: group.KeyGroup.Id})
	wantCode(t, err, "NoSuchResource", 404)
}

func TestPublicKeysAreRead(t *testing.T) {
	base, _ := serve(t)
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	for name, key := range map[string]*string{
		"nothing":   aws.String(""),
		"no PEM":    aws.String("ssh-rsa AAAA"),
		"RSA 1024":  rsaKey(t, 1024),
		"RSA 4096":  rsaKey(t, 4096),
		"P-384":     ecKey(t, elliptic.P384()),
		"two":       aws.String(*rsaKey(t, 2048) + *rsaKey(t, 2048)),
		"broken":    aws.String("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"),
		"a private": aws.String(string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(private)}))),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := client(base).CreatePublicKey(t.Context(), &sdk.CreatePublicKeyInput{PublicKeyConfig: &types.PublicKeyConfig{Name: aws.String("k"), CallerReference: aws.String("k"), EncodedKey: key}})
			wantCode(t, err, "InvalidArgument", 400, "EncodedKey")
		})
	}
}

func TestInvalidations(t *testing.T) {
	base, _, edge := serveFor(t, nil)
	c, ctx := client(base), t.Context()
	made, err := c.CreateDistribution(ctx, &sdk.CreateDistributionInput{DistributionConfig: config("inv", "b.s3.amazonaws.com")})
	if err != nil {
		t.Fatal(err)
	}
	id := made.Distribution.Id
	create := func(ref string, paths ...string) (*sdk.CreateInvalidationOutput, error) {
		return c.CreateInvalidation(ctx, &sdk.CreateInvalidationInput{DistributionId: id, InvalidationBatch: &types.InvalidationBatch{
			CallerReference: &ref, Paths: &types.Paths{Quantity: aws.Int32(int32(len(paths))), Items: paths},
		}})
	}
	first, err := create("1", "/a", "/a%20b/*", "/list.m3u8?v=1", "/*")
	if err != nil || *first.Invalidation.Status != "Completed" {
		t.Fatalf("%+v, %v", first, err)
	}
	if want := []string{"/a", "/a b/*", "/list.m3u8", "/*"}; !slices.Equal(edge.invalidated, want) {
		t.Errorf("the edge was told %q, want %q", edge.invalidated, want)
	}
	if again, err := create("1", "/a", "/a%20b/*", "/list.m3u8?v=1", "/*"); err != nil || *again.Invalidation.Id != *first.Invalidation.Id {
		t.Errorf("the same request again: %+v, %v", again, err)
	}
	_, err = create("1", "/b")
	wantCode(t, err, "InvalidArgument", 400, "caller reference")
	for name, paths := range map[string][]string{
		"none": {}, "no slash": {"a"}, "star within": {"/a*b"}, "two stars": {"/a**"}, "space": {"/a b"}, "bad escape": {"/%zz"},
	} {
		_, err := create(name, paths...)
		wantCode(t, err, "InvalidArgument", 400)
	}
	_, err = create("many", slices.Repeat([]string{"/a"}, 3001)...)
	wantCode(t, err, "TooManyInvalidationsInProgress", 400)
	_, err = create("wild", slices.Repeat([]string{"/a*"}, 16)...)
	wantCode(t, err, "TooManyInvalidationsInProgress", 400)
	if _, err := create("most", slices.Repeat([]string{"/a"}, 3000)...); err != nil {
		t.Error(err)
	}
	var ids []string
	pages := sdk.NewListInvalidationsPaginator(c, &sdk.ListInvalidationsInput{DistributionId: id, MaxItems: aws.Int32(1)})
	for pages.HasMorePages() {
		p, err := pages.NextPage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range p.InvalidationList.Items {
			ids = append(ids, *i.Id)
		}
	}
	if len(ids) != 2 || !slices.Contains(ids, *first.Invalidation.Id) {
		t.Errorf("listed %v", ids)
	}
	got, err := c.GetInvalidation(ctx, &sdk.GetInvalidationInput{DistributionId: id, Id: first.Invalidation.Id})
	if err != nil || len(got.Invalidation.InvalidationBatch.Paths.Items) != 4 {
		t.Errorf("%+v, %v", got, err)
	}
	_, err = c.GetInvalidation(ctx, &sdk.GetInvalidationInput{DistributionId: id, Id: aws.String("I0")})
	wantCode(t, err, "NoSuchInvalidation", 404)
	_, err = c.GetInvalidation(ctx, &sdk.GetInvalidationInput{DistributionId: aws.String("E0"), Id: aws.String("I0")})
	wantCode(t, err, "NoSuchDistribution", 404)
}
