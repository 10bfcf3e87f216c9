// Package field reads what requests and objects say in their header fields and
// names, for the edge: ranges, preconditions, Cache-Control, encodings, content
// types, path patterns. It takes text and gives values and touches nothing. What RFC 9110
// and 9111 leave open is decided as Amazon CloudFront does.
package field
