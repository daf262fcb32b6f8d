//! The basic block of residual networks for images, with torchvision's names of parameters.

use thunder_trace::nn::{BatchNorm, BatchStatistics, Conv2d};
use thunder_trace::{Scope, Tensor, Tree, Window};

/// What batch normalization adds to the variance.
const EPS: f64 = 1e-5;

/// The sizes of a block.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BlockConfig {
    /// Channels of what the block takes.
    pub inputs: i64,
    /// Channels of what it makes.
    pub outputs: i64,
    /// How many times smaller images become.
    pub stride: i64,
}

/// Two convolutions whose value is added to what the block began with.
pub struct BasicBlock<'t> {
    scope: Scope<'t>,
    conv1: Conv2d<'t>,
    bn1: BatchNorm<'t>,
    conv2: Conv2d<'t>,
    bn2: BatchNorm<'t>,
    /// What makes the beginning as large as the end, where it is not.
    downsample: Option<(Conv2d<'t>, BatchNorm<'t>)>,
}

/// The mean and variance that each normalization of a block saw, for running ones.
#[derive(Clone, Debug, Tree)]
pub struct BlockStatistics<T> {
    /// Those of the first.
    pub bn1: BatchStatistics<T>,
    /// Those of the second.
    pub bn2: BatchStatistics<T>,
    /// Those of the one beside.
    pub downsample: Option<BatchStatistics<T>>,
}

impl<'t> BasicBlock<'t> {
    /// A block whose parameters stand below `scope`.
    pub fn new(scope: Scope<'t>, config: &BlockConfig) -> Self {
        let BlockConfig { inputs, outputs, stride } = *config;
        let strided = Window { stride: Some(vec![stride; 2]), ..Window::default() };
        let padded = |window: &Window| Window { padding: Some(vec![1; 2]), ..window.clone() };
        let beside = || {
            let scope = scope.at("downsample");
            let conv = Conv2d::without_bias(scope.at(0), [inputs, outputs], [1, 1], strided.clone());
            (conv, BatchNorm::new(scope.at(1), outputs, EPS))
        };
        let conv = |name: &str, channels: [i64; 2], window: Window| {
            Conv2d::without_bias(scope.at(name), channels, [3, 3], window)
        };
        Self {
            scope,
            conv1: conv("conv1", [inputs, outputs], padded(&strided)),
            bn1: BatchNorm::new(scope.at("bn1"), outputs, EPS),
            conv2: conv("conv2", [outputs, outputs], padded(&Window::default())),
            bn2: BatchNorm::new(scope.at("bn2"), outputs, EPS),
            downsample: (inputs != outputs || stride != 1).then(beside),
        }
    }

    /// The block's value of images `[batch, channels, height, width]`, normalized by running statistics.
    #[track_caller]
    pub fn infer(&self, x: Tensor<'t>) -> Tensor<'t> {
        self.scope.enter(|| {
            let inner = self.bn1.infer(self.conv1.forward(x)).relu();
            let beside = self.downsample.as_ref().map_or(x, |(conv, norm)| norm.infer(conv.forward(x)));
            (self.bn2.infer(self.conv2.forward(inner)) + beside).relu()
        })
    }

    /// The block's value, normalized by the statistics of the batch, with these.
    #[track_caller]
    pub fn train(&self, x: Tensor<'t>) -> (Tensor<'t>, BlockStatistics<Tensor<'t>>) {
        self.scope.enter(|| {
            let (inner, bn1) = self.bn1.train(self.conv1.forward(x));
            let (outer, bn2) = self.bn2.train(self.conv2.forward(inner.relu()));
            let beside = self.downsample.as_ref().map(|(conv, norm)| norm.train(conv.forward(x)));
            let (beside, downsample) = beside.map_or((x, None), |(y, statistics)| (y, Some(statistics)));
            ((outer + beside).relu(), BlockStatistics { bn1, bn2, downsample })
        })
    }
}
