// Quoting, redirections, lists, state between lines: what RUN lines of upstream use.
// RUN: thunder-opt %s -o %t.mlir && diff %t.mlir %t.mlir
// RUN: not thunder-opt %S/Inputs/broken.mlir 2> %t.err; FileCheck %s --check-prefix=ERR --input-file=%t.err
// RUN: false || true
// RUN: rm -rf %t.sub && mkdir %t.sub; cd %t.sub
// RUN: echo "a; b | c" > here.txt
// RUN: grep -q 'a; b' %t.sub/here.txt
// RUN: env GREETING=hello bash -c 'echo $GREETING' | FileCheck %s --check-prefix=ENV
// RUN: not --crash bash -c 'kill -SEGV $$'
// RUN: echo five > %t.count
// RUN: echo %{readfile:%t.count} | FileCheck %s --check-prefix=READ
// RUN: echo %{s:basename} %basename_t 100%% | FileCheck %s --check-prefix=PERCENT
// RUN: echo %(line) %(line+1) | FileCheck %s --check-prefix=LINE
// RUN: echo %if x86_64 %{ yes %} %else %{ no %} | FileCheck %s --check-prefix=IF

// REQUIRES: system-linux
// UNSUPPORTED: system-windows

// ERR: error: {{.*}}custom op 'nonsense' is unknown
// ENV: hello
// READ: five
// PERCENT: shell.mlir shell.mlir 100%
// LINE: 13 14
// IF: {{yes|no}}

func.func @f() {
  return
}
