//! What is not claimed: operations that Thunder does not have, and is not meant to have yet; and why some of what is claimed
//! does not pass.

/// Names, or beginnings of names that end in `*`, by the reason that they share.
const UNCLAIMED: &[(&str, &[&str])] = &[
    (
        "factorizations of matrices",
        &[
            "cholesky*",
            "geqrf",
            "linalg.cholesky*",
            "linalg.cond",
            "linalg.det*",
            "linalg.eig*",
            "linalg.householder_product",
            "linalg.inv*",
            "linalg.ldl*",
            "linalg.lstsq*",
            "linalg.lu*",
            "linalg.matrix_rank*",
            "linalg.matrix_sqrth",
            "linalg.pinv*",
            "linalg.polar",
            "linalg.qr",
            "linalg.slogdet",
            "linalg.solve*",
            "linalg.svd*",
            "linalg.tensorinv",
            "linalg.tensorsolve",
            "logdet",
            "lu*",
            "matrix_exp",
            "norm-nuc",
            "ormqr",
            "pca_lowrank",
            "pinverse",
            "qr",
            "svd*",
            "triangular_solve",
        ],
    ),
    ("memory that takes another size", &["resize_*"]),
    (
        "Bessel and Airy functions but for I",
        &[
            "special.airy*",
            "special.bessel*",
            "special.modified_bessel_k*",
            "special.scaled_modified*",
            "special.spherical*",
        ],
    ),
    ("the bits of floats", &["hash_tensor"]),
    (
        "orthogonal polynomials whose degree is a tensor",
        &["special.chebyshev*", "special.hermite*", "special.laguerre*", "special.legendre*", "special.shifted*"],
    ),
];

/// Operations of which not all samples pass, by the reason that they share.
const LIMITS: &[(&str, &[&str])] = &[
    ("values that only a run has", &["multinomial"]),
    ("at poles, PyTorch has what rounding leaves of a sine that is 0", &["polygamma*", "special.polygamma*"]),
    ("PyTorch's gradient is that of the part that is replaced, not that of the rest", &["as_strided_scatter"]),
    ("where places repeat, PyTorch has one of the values and differentiates all", &["nn.functional.max_unpool*"]),
    ("series whose length depends on the values", &["igamma*"]),
    ("PyTorch's gradient by the largest of complex numbers is NaN", &["renorm"]),
    ("singular values", &["linalg.matrix_norm"]),
    ("of a share near 1, what it lacks has few digits", &["nn.functional.multi_head_attention_forward"]),
    ("no op stops derivatives, as rows for padding and those that are renormalized need", &["nn.functional.embedding"]),
];

/// Why an operation is not claimed, if it is not.
pub fn unclaimed(name: &str) -> Option<&'static str> {
    named(UNCLAIMED, name)
}

/// Why not all of an operation passes, if that is to stay so.
pub fn limit(name: &str) -> Option<&'static str> {
    named(LIMITS, name)
}

fn named(reasons: &[(&'static str, &[&str])], name: &str) -> Option<&'static str> {
    let fits = |pattern: &&str| match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == *pattern,
    };
    reasons.iter().find(|(_, names)| names.iter().any(fits)).map(|(reason, _)| *reason)
}
