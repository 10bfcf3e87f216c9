// Package ffmpeg is the only room that starts media processes.
//
// A command line and a source file flow in; files in a work folder, a stream on
// stdout, progress, the CPU time spent and a classified error flow out. It knows
// processes and folders, not objects or jobs.
//
// What it promises of every process it starts:
//
//   - It sees its source (read-only), its work folder and the machine's /usr, and
//     nothing else: bubblewrap namespaces without network, without capabilities,
//     with an empty environment. Only allow-listed protocols and demuxers open the
//     source (media.InputArgs); Run refuses a command line without them.
//   - It is bounded in memory, CPU time, wall time, open files, the size of what it
//     writes, and in the time it may go without progress.
//   - It is gone when Run returns, whatever it does with signals, and it is gone
//     when the server is, even by kill -9.
//   - Its log is read to a bounded tail and never shown raw: an error carries our
//     own words and the service's numeric code.
//
// Exit status 0 is necessary, not sufficient: who reads the files checks them.
package ffmpeg
