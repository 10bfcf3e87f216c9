// Package code keeps the packages of functions: checked zip files, by their
// digest, and what is in them, unpacked.
//
// In: a zip file that anybody may have made. Out: its digest, and a folder with
// its files and their modes. A package is checked whole, by reading all of it,
// before anything of it is written: names that leave the folder, links that do,
// two entries of one name, entries that share their bytes, encryption, and what
// grows beyond Lambda's limits are refused. The package touches its own folder.
//
// A package that Put returned is on the disk. Unpacked folders are a cache: they
// are made again from the package when they are missing, and after a restart.
package code
