// Package fleet is how workers on other machines carry tasks: what they and the
// servers say to each other, and both ends of it.
//
// A worker has the queue's connection and HTTP, no records, no shared disk and no
// credentials of buckets. It takes leases from the queue itself; everything else it
// asks a server for by a call: to claim a task, to store what came of it, and for
// links, each good for one file, one method and some hours. A Desk answers calls with
// the Ledger and the Buckets of its server; a Client is the worker's end, which a
// job.Carrier and a worker.Worker use as if records and buckets were here.
//
// What a worker makes goes to the depot by links. It publishes nothing itself: it
// asks, and the server moves what lies in the depot into the bucket, with the rights
// of the job's role and only while the job is at work. So a worker that is cut off,
// or whose job ended, cannot make anything visible.
//
// A Door serves links where the bytes are on the server's disk; a Folder is the depot
// there. The room may touch the network, through what it is given, and the folders it
// is given.
//
// Workers and servers are of one version: what a plan means is between them.
package fleet
