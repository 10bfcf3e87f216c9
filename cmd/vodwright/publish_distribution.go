package main

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"path"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"vodwright.dev/vodwright/internal/fault"
)

// distributionConfig is the little that publish writes of CloudFront's document.
type distributionConfig struct {
	XMLName         xml.Name `xml:"http://cloudfront.amazonaws.com/doc/2020-05-31/ DistributionConfig"`
	CallerReference string
	Origins         struct {
		Quantity int
		Items    struct {
			Origin struct {
				ID                    string `xml:"Id"`
				DomainName            string
				S3OriginConfig        struct{ OriginAccessIdentity string }
				OriginAccessControlID string `xml:"OriginAccessControlId"`
			}
		}
	}
	DefaultCacheBehavior struct {
		TargetOriginID       string `xml:"TargetOriginId"`
		ViewerProtocolPolicy string
	}
	Comment string
	Enabled bool
}

func (p *publisher) findDistribution(ctx context.Context) error {
	const root = "/2020-05-31/distribution"
	answer, _, err := p.client.call(ctx, "cloudfront", "GET", root, "", nil)
	if err != nil {
		return fmt.Errorf("list distributions: %w", err)
	}
	var list struct {
		Items struct {
			DistributionSummary []struct {
				ARN        string
				DomainName string
				Enabled    bool
				Origins    struct {
					Items struct {
						Origin []struct {
							DomainName, OriginPath string
							OriginAccessControlID  string `xml:"OriginAccessControlId"`
						}
					}
				}
			}
		}
	}
	if err := xml.Unmarshal(answer, &list); err != nil {
		return fmt.Errorf("decode distributions: %w", err)
	}
	for _, d := range list.Items.DistributionSummary {
		for _, o := range d.Origins.Items.Origin {
			if d.Enabled && o.OriginPath == "" && o.OriginAccessControlID != "" && strings.HasPrefix(o.DomainName, p.bucket+".s3.") {
				p.domain = d.DomainName
				return p.admit(ctx, d.ARN)
			}
		}
	}
	control, err := p.findOriginAccessControl(ctx)
	if err != nil {
		return err
	}
	// With the access control in its reference: a folder of the first release has a
	// distribution without one under the bucket's name alone.
	cfg := distributionConfig{CallerReference: "vodwright-publish-" + p.bucket + "-" + control, Comment: "streams of bucket " + p.bucket, Enabled: true}
	cfg.Origins.Quantity = 1
	cfg.Origins.Items.Origin.ID = p.bucket
	cfg.Origins.Items.Origin.DomainName = p.bucket + ".s3." + region + ".amazonaws.com"
	cfg.Origins.Items.Origin.OriginAccessControlID = control
	cfg.DefaultCacheBehavior.TargetOriginID = p.bucket
	cfg.DefaultCacheBehavior.ViewerProtocolPolicy = "allow-all"
	body, err := xml.Marshal(cfg)
	if err != nil {
		return err
	}
	if answer, _, err = p.client.call(ctx, "cloudfront", "POST", root, "application/xml", body); err != nil {
		return fmt.Errorf("make distribution: %w", err)
	}
	var made struct{ ARN, DomainName string }
	if err := xml.Unmarshal(answer, &made); err != nil {
		return fmt.Errorf("decode distribution: %w", err)
	}
	p.domain = made.DomainName
	return p.admit(ctx, made.ARN)
}

// findOriginAccessControl returns the id of the origin access control that
// publish's distributions share, made if it is missing.
func (p *publisher) findOriginAccessControl(ctx context.Context) (string, error) {
	const root, name = "/2020-05-31/origin-access-control", "vodwright-publish"
	answer, _, err := p.client.call(ctx, "cloudfront", "GET", root, "", nil)
	if err != nil {
		return "", fmt.Errorf("list origin access controls: %w", err)
	}
	var list struct {
		Items struct {
			OriginAccessControlSummary []struct {
				ID              string `xml:"Id"`
				Name            string
				SigningBehavior string
			}
		}
	}
	if err := xml.Unmarshal(answer, &list); err != nil {
		return "", fmt.Errorf("decode origin access controls: %w", err)
	}
	for _, c := range list.Items.OriginAccessControlSummary {
		if c.Name == name && c.SigningBehavior == "always" {
			return c.ID, nil
		}
	}
	body, err := xml.Marshal(struct {
		XMLName                       xml.Name `xml:"http://cloudfront.amazonaws.com/doc/2020-05-31/ OriginAccessControlConfig"`
		Name                          string
		SigningProtocol               string
		SigningBehavior               string
		OriginAccessControlOriginType string
	}{Name: name, SigningProtocol: "sigv4", SigningBehavior: "always", OriginAccessControlOriginType: "s3"})
	if err != nil {
		return "", err
	}
	if answer, _, err = p.client.call(ctx, "cloudfront", "POST", root, "application/xml", body); err != nil {
		return "", fmt.Errorf("make origin access control: %w", err)
	}
	var made struct {
		ID string `xml:"Id"`
	}
	if err := xml.Unmarshal(answer, &made); err != nil {
		return "", fmt.Errorf("decode origin access control: %w", err)
	}
	return made.ID, nil
}

// admit lets the distribution read the bucket, by one statement more in the
// bucket's policy; what else is in it stays as it is.
func (p *publisher) admit(ctx context.Context, distribution string) error {
	policy := map[string]any{"Version": "2012-10-17"}
	found, err := p.client.s3.GetBucketPolicy(ctx, &s3.GetBucketPolicyInput{Bucket: aws.String(p.bucket)})
	if f := p.client.s3Fault(err); err != nil && fault.Of(f).Code != "NoSuchBucketPolicy" {
		return fmt.Errorf("read policy of bucket %q: %w", p.bucket, f)
	} else if err == nil {
		if strings.Contains(aws.ToString(found.Policy), strconv.Quote(distribution)) {
			return nil // it speaks of the distribution already
		}
		if err := json.Unmarshal([]byte(aws.ToString(found.Policy)), &policy); err != nil {
			return fmt.Errorf("decode policy of bucket %q: %w", p.bucket, err)
		}
	}
	statement := map[string]any{
		"Sid": "Distribution" + path.Base(distribution), "Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::" + p.bucket + "/*",
		"Principal": map[string]string{"Service": "cloudfront.amazonaws.com"},
		"Condition": map[string]any{"StringEquals": map[string]string{"AWS:SourceArn": distribution}},
	}
	switch old := policy["Statement"].(type) {
	case []any:
		policy["Statement"] = append(old, statement)
	case map[string]any: // one statement may stand without brackets
		policy["Statement"] = []any{old, statement}
	default:
		policy["Statement"] = []any{statement}
	}
	text, err := json.Marshal(policy)
	if err != nil {
		return err
	}
	if _, err := p.client.s3.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: aws.String(p.bucket), Policy: aws.String(string(text))}); err != nil {
		return fmt.Errorf("write policy of bucket %q: %w", p.bucket, p.client.s3Fault(err))
	}
	return nil
}
