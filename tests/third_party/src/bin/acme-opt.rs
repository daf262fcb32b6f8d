//! `thunder-opt` with a third party's dialect.

fn main() -> std::process::ExitCode {
    let contents = thunder_tools::registry::thunder()
        .dialect(thunder_third_party::dialect())
        .passes(thunder_third_party::register_passes);
    thunder_tools::opt::main(std::env::args().collect(), &contents)
}
