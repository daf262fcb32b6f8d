//! Random numbers that are easy to make again anywhere: where batches begin, and weights before training.
//!
//! `tests/goldens/gpt.py` makes the same ones. They are SplitMix64's (Steele, Lea and Flood, "Fast splittable
//! pseudorandom number generators", 2014), each from its place in the stream alone.

use std::collections::BTreeMap;
use std::f64::consts::TAU;

use thunder_tensor::{DType, Tensor as HostTensor};

use super::GptConfig;

/// A stream of numbers, decided by its seed.
#[derive(Clone, Copy, Debug)]
pub struct Stream(u64);

impl Stream {
    /// The stream of a seed and a name.
    pub fn new(seed: u64, name: &str) -> Self {
        // FNV-1a.
        let hash = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        Self(name.bytes().fold(0xcbf2_9ce4_8422_2325, hash).wrapping_add(seed))
    }

    /// The number at a place.
    pub fn at(self, place: u64) -> u64 {
        let mut x = self.0.wrapping_add(place.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    /// A number from 0 on and below 1.
    pub fn unit(self, place: u64) -> f64 {
        (self.at(place) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A normally distributed number, by Box and Muller's transform.
    pub fn normal(self, place: u64) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit(2 * place)).ln()).sqrt();
        radius * (TAU * self.unit(2 * place + 1)).cos()
    }
}

/// Weights before training, as GPT-2's: normally distributed with a deviation of 0.02, less for what is added to the
/// hidden states, which grow with each layer; ones and zeros for normalization, zeros for biases.
pub fn weights<'a>(
    config: &GptConfig,
    seed: u64,
    parameters: impl IntoIterator<Item = (&'a str, Vec<usize>)>,
) -> BTreeMap<String, HostTensor> {
    let weight = |(name, shape): (&str, Vec<usize>)| {
        let tensor = if name.ends_with(".bias") {
            HostTensor::zeros(DType::F32, shape)
        } else if shape.len() == 1 {
            HostTensor::full(DType::F32, shape, 1.0)
        } else {
            let is_added = name.ends_with(".c_proj.weight");
            let deviation = 0.02 * if is_added { (2.0 * config.layers as f64).powf(-0.5) } else { 1.0 };
            let stream = Stream::new(seed, name);
            let values =
                (0..shape.iter().product::<usize>() as u64).map(|place| (deviation * stream.normal(place)) as f32);
            HostTensor::from_vec(shape, values.collect()).expect("as many values as the shape says")
        };
        (name.to_owned(), tensor)
    };
    parameters.into_iter().map(weight).collect()
}
