// Package cloudfront holds the generated operation table of the CloudFront API,
// version 2020-05-31, and the shapes of the operations that internal/cloudfront
// carries out. It is data.
package cloudfront
