//! Text as characters, and batches of it.

use thunder_tensor::{DType, Tensor as HostTensor};

use super::Batch;
use super::random::Stream;

/// Four plays by Shakespeare; `data/README.md` says more.
pub const SHAKESPEARE: &str = include_str!("../../data/shakespeare.txt");

/// A text whose tokens are its characters.
pub struct Text {
    /// The characters, in order of their numbers.
    characters: Vec<char>,
    tokens: Vec<i64>,
}

impl Text {
    /// The characters of a text.
    pub fn new(text: &str) -> Self {
        let mut characters: Vec<char> = text.chars().collect();
        characters.sort_unstable();
        characters.dedup();
        let mut new = Self { characters, tokens: Vec::new() };
        new.tokens = text.chars().filter_map(|c| new.token(c)).collect();
        new
    }

    /// How many different characters there are.
    pub fn vocabulary(&self) -> i64 {
        self.characters.len() as i64
    }

    /// The text's length.
    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Whether there is no text.
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    fn token(&self, character: char) -> Option<i64> {
        self.characters.binary_search(&character).ok().map(|number| number as i64)
    }

    /// The tokens of another text, or the first character that this one lacks.
    pub fn encode(&self, text: &str) -> Result<Vec<i64>, char> {
        text.chars().map(|character| self.token(character).ok_or(character)).collect()
    }

    /// The character of a token.
    pub fn decode(&self, token: i64) -> Option<char> {
        self.characters.get(usize::try_from(token).ok()?).copied()
    }

    /// The batch of a step: parts of the text from places that the seed decides.
    ///
    /// The text is longer than `tokens`.
    pub fn batch(&self, seed: u64, step: u64, batch: usize, tokens: usize) -> Batch<HostTensor> {
        let stream = Stream::new(seed, "batches");
        let places = (self.tokens.len() - tokens) as u64;
        let start = |row: usize| (stream.at(step * batch as u64 + row as u64) % places) as usize;
        let part = |shift: usize| {
            HostTensor::from_fn(DType::I64, [batch, tokens], |at| self.tokens[start(at[0]) + at[1] + shift])
        };
        Batch { tokens: part(0), targets: part(1) }
    }
}
