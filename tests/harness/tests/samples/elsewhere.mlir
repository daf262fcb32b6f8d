// REQUIRES: a-machine-that-nobody-has
// RUN: false
