// Package execution runs functions: one sandboxed process tree (an execution
// environment) for each invocation that runs at the same time, kept warm between
// invocations, behind Lambda's Runtime API (2018-06-01).
//
// In: a Spec (one version of a function's code and configuration) and an
// Invocation. Out: a Result, and the lines of the log in CloudWatch's format.
// The package knows nothing of the Lambda API, of records or of queues. It may
// start processes, through bubblewrap, and touches the code's folder (read-only)
// and a folder of its own.
//
// What is promised: a process sees its code, the machine's programs and its own
// /tmp; it dies with its environment, with the server, and on its timeout, with
// all its children; what it wrote to its log before its invocation ended is in
// the log when Invoke returns. What is not: the network is the machine's own, so
// this isolates trusted code from accidents, not tenants from each other.
package execution
