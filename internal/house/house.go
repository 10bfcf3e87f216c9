// Package house holds no code: its tests are the rules of the house. They read
// every Go file of the project and check who imports whom, that pure rooms stay
// pure, and that every package says what it is for. docs/ARCHITECTURE.md tells why.
package house
