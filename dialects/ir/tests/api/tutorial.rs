//! The tutorial does what it says, in as few lines as it promises.

#[allow(dead_code, reason = "as an example it has a `main`")]
#[path = "../../examples/tutorial.rs"]
mod example;

#[test]
fn it_is_short() {
    let count = include_str!("../../examples/tutorial.rs").lines().count();
    assert!(count < 150, "{count} lines");
}

#[test]
fn it_goes_from_a_type_to_integers() {
    let steps = example::steps().expect("it runs");
    let [written, canonical, limited, lowered] = &steps[..] else { panic!("{steps:?}") };
    assert_eq!(written.matches("fix.mul").count(), 2, "{written}");
    assert_eq!(canonical.matches("fix.mul").count(), 1, "{canonical}");
    assert!(canonical.contains("fix.constant value = 2000.0 : !fix.num"), "{canonical}");
    assert!(limited.contains("fix.constant value = 100.0 : !fix.num"), "{limited}");
    for line in [
        "func.func @f(%arg0: i32) -> i32 {",
        "%c25600_i32 = arith.constant 25600 : i32",
        "%0 = arith.shli %arg0, %c8_i32 : i32",
        "%1 = arith.muli %0, %c25600_i32 : i32",
        "%2 = arith.shrsi %1, %c8_i32 : i32",
    ] {
        assert!(lowered.contains(line), "{line}\n{lowered}");
    }
    assert!(!lowered.contains(" fix."), "{lowered}");
}
