//! What is not claimed: operations that Thunder does not have, and is not meant to have yet.

/// Names, or beginnings of names that end in `*`, by the reason that they share.
const UNCLAIMED: &[(&str, &[&str])] = &[
    ("complex numbers", &["fft.hfft*", "fft.irfft*", "fft.rfft*", "istft", "stft"]),
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

/// Why an operation is not claimed, if it is not.
pub fn unclaimed(name: &str) -> Option<&'static str> {
    let fits = |pattern: &&str| match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == *pattern,
    };
    UNCLAIMED.iter().find(|(_, names)| names.iter().any(fits)).map(|(reason, _)| *reason)
}
