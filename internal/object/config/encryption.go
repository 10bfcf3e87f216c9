package config

import "encoding/xml"

// AES256 is the only server-side encryption that a bucket here may ask for; the
// operator's disk is what encrypts. docs/decisions/0007 says what that means.
const AES256 = "AES256"

// Encryption is a bucket's default encryption.
type Encryption struct {
	XMLName xml.Name         `xml:"ServerSideEncryptionConfiguration" json:"-"`
	Xmlns   string           `xml:"xmlns,attr,omitempty" json:"-"`
	Rules   []EncryptionRule `xml:"Rule"`
}

// EncryptionRule is one rule of it.
type EncryptionRule struct {
	Default          *EncryptionDefault `xml:"ApplyServerSideEncryptionByDefault"`
	BucketKeyEnabled bool
}

// EncryptionDefault names the encryption.
type EncryptionDefault struct {
	SSEAlgorithm   string
	KMSMasterKeyID string `xml:",omitempty"`
}

// DefaultEncryption is what every bucket has that says nothing.
func DefaultEncryption() Encryption {
	return Encryption{Rules: []EncryptionRule{{Default: &EncryptionDefault{SSEAlgorithm: AES256}}}}
}

// ParseEncryption reads and checks a ServerSideEncryptionConfiguration.
func ParseEncryption(doc []byte) (Encryption, error) {
	var e Encryption
	if err := parse(doc, "ServerSideEncryptionConfiguration", &e); err != nil {
		return e, err
	}
	e.XMLName, e.Xmlns = xml.Name{}, ""
	if len(e.Rules) != 1 || e.Rules[0].Default == nil {
		return e, malformed(nil)
	}
	d := e.Rules[0].Default
	if err := CheckEncryption(d.SSEAlgorithm); err != nil {
		return e, err
	}
	if d.KMSMasterKeyID != "" {
		return e, invalid("a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or aws:kms:dsse")
	}
	return e, complete(doc, e)
}

// CheckEncryption returns nil for an encryption that an object may ask for.
func CheckEncryption(algorithm string) error {
	switch algorithm {
	case AES256:
		return nil
	case "aws:kms", "aws:kms:dsse", "aws:fsx":
		return notImplemented("server-side encryption with %s is", algorithm).WithHint("use AES256, and encrypt the disk of the data folder")
	}
	return invalid("The encryption method %q specified is not supported", algorithm)
}

// Answer returns the document as S3 answers it.
func (e Encryption) Answer() any {
	e.Xmlns = namespace
	return e
}
