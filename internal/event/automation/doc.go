// Package automation turns created objects into jobs: the target of a rule that
// is a job template. An "Object Created" event with the target's Input flows in,
// a job that is made from the template flows out, or the reason why there is
// none.
//
// Every version of every object that is a video becomes one job. What is a video
// is decided by its content. Outputs go to
//
//	s3://DESTINATION/PREFIX/assets/ID/HLS/NAME
//
// where ID is a UUID made from the rule, the target and the version of the
// object, also the job's UserMetadata assetID, and NAME the object's name without
// its extension; groups of other kinds have a folder of their own beside HLS.
//
// Jobs are made through the job API with the target's role, exactly as a function
// would. The same event any number of times makes one job: its ClientRequestToken
// is made from what names the version, and where that may have expired the jobs
// made since the event are searched for it. Outputs of jobs never become jobs.
//
// The room may touch what its interfaces give it, and no network.
package automation
