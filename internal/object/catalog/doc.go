// Package catalog is what is known of buckets and objects beside their bytes: the
// words that the engines share (Bucket, Version, Upload, a page of a list) and the
// rules that hold in each of them (names, sequences, what a list rolls up).
//
// It takes arguments and gives results; it touches nothing.
package catalog
