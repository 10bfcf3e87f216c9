package config

import "encoding/xml"

// PublicAccessBlock says what a bucket refuses to the public.
type PublicAccessBlock struct {
	XMLName xml.Name `xml:"PublicAccessBlockConfiguration" json:"-"`
	Xmlns   string   `xml:"xmlns,attr,omitempty" json:"-"`
	// BlockPublicAcls refuses public ACLs, IgnorePublicAcls ignores those there
	// are: there are none in either case.
	BlockPublicAcls  bool
	IgnorePublicAcls bool
	// BlockPublicPolicy refuses to store a public bucket policy.
	BlockPublicPolicy bool
	// RestrictPublicBuckets leaves a bucket with a public policy to the account's
	// own principals and to services.
	RestrictPublicBuckets bool
}

// BlockAll is what a new bucket has.
func BlockAll() PublicAccessBlock {
	return PublicAccessBlock{BlockPublicAcls: true, IgnorePublicAcls: true, BlockPublicPolicy: true, RestrictPublicBuckets: true}
}

// ParsePublicAccessBlock reads a PublicAccessBlockConfiguration.
func ParsePublicAccessBlock(doc []byte) (PublicAccessBlock, error) {
	var p PublicAccessBlock
	if err := parse(doc, "PublicAccessBlockConfiguration", &p); err != nil {
		return p, err
	}
	p.XMLName, p.Xmlns = xml.Name{}, ""
	return p, complete(doc, p)
}

// Answer returns the document as S3 answers it.
func (p PublicAccessBlock) Answer() any {
	p.Xmlns = namespace
	return p
}
