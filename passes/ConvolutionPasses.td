// The passes that are about convolutions and the borders of their images.
#ifndef WEFT_CONVOLUTION_PASSES_TD
#define WEFT_CONVOLUTION_PASSES_TD

include "mlir/Pass/PassBase.td"

def KeepChannelsFirst : Pass<"weft-keep-channels-first", "::mlir::ModuleOp"> {
  let summary = "Compute depthwise convolutions of images that are channels first where they are";
  let description = [{
    A convolution of each channel for itself, whose image is turned for it and whose result is turned
    back, is one kernel on the image as it is, with the border in it. Where a neighbour computes with
    channels last, there is no such transpose (`weft-sink-transposes`), and the convolution stays. Before:

    ```mlir
    func.func @f(%x: tensor<1x2x4x4xf32>, %w: tensor<3x3x1x2x1xf32>) -> tensor<1x2x4x4xf32> {
      %0 = weft.constant dense<0.0> : tensor<f32> : tensor<f32>
      %1 = weft.pad %x, %0 low [0, 0, 1, 1] interior [0, 0, 0, 0] : tensor<1x2x4x4xf32>, tensor<f32> -> tensor<1x2x6x6xf32>
      %2 = weft.transpose %1 [0, 2, 3, 1] : tensor<1x2x6x6xf32> -> tensor<1x6x6x2xf32>
      %3 = weft.reshape %2 : tensor<1x6x6x2xf32> -> tensor<1x6x6x2x1xf32>
      %4 = weft.convolution %3, %w strides [1, 1] dilations [1, 1] : tensor<1x6x6x2x1xf32>, tensor<3x3x1x2x1xf32> -> tensor<1x4x4x2x1xf32>
      %5 = weft.reshape %4 : tensor<1x4x4x2x1xf32> -> tensor<1x4x4x2xf32>
      %6 = weft.transpose %5 [0, 3, 1, 2] : tensor<1x4x4x2xf32> -> tensor<1x2x4x4xf32>
      return %6 : tensor<1x2x4x4xf32>
    }
    ```

    After:

    ```mlir
    func.func @f(%x: tensor<1x2x4x4xf32>, %w: tensor<3x3x1x2x1xf32>) -> tensor<1x2x4x4xf32> {
      %0 = weft.transpose %w [3, 4, 2, 0, 1] : tensor<3x3x1x2x1xf32> -> tensor<2x1x1x3x3xf32>
      %1 = weft.reshape %0 : tensor<2x1x1x3x3xf32> -> tensor<2x3x3xf32>
      %2 = weft.depthwise_convolution %x, %1 window [3, 3] strides [1, 1] dilations [1, 1] low [1, 1] high [1, 1] {joined = true} : tensor<1x2x4x4xf32>, tensor<2x3x3xf32> -> tensor<1x2x16xf32>
      %3 = weft.reshape %2 : tensor<1x2x16xf32> -> tensor<1x2x4x4xf32>
      return %3 : tensor<1x2x4x4xf32>
    }
    ```

    Rows that are longer than some vectors are not joined, nor are those of an image of another size.

    A convolution of one pixel of one image, whose weight is smaller than the image, is a product of the weight
    and the channels as they are. With `columns-apart` any other convolution whose result is turned back
    stores it so itself (`channels_first`).
  }];
  let options = [Option<"columnsApart", "columns-apart", "bool", /*default=*/"false",
                        "Contractions store results whose columns are no neighbours">];
  let dependentDialects = ["::weft::WeftDialect"];
}

def AbsorbBorders : Pass<"weft-absorb-borders", "::mlir::ModuleOp"> {
  let summary = "Put borders of zeros into the depthwise convolutions that read them";
  let description = [{
    A copy of an image in a frame of zeros takes a third of the time of a convolution of each channel for
    itself. With channels first, `weft-keep-channels-first` does the same. Before:

    ```mlir
    func.func @f(%x: tensor<1x4x4x2xf32>, %w: tensor<3x3x1x2x1xf32>) -> tensor<1x4x4x2x1xf32> {
      %0 = weft.constant dense<0.0> : tensor<f32> : tensor<f32>
      %1 = weft.pad %x, %0 low [0, 1, 1, 0] interior [0, 0, 0, 0] : tensor<1x4x4x2xf32>, tensor<f32> -> tensor<1x6x6x2xf32>
      %2 = weft.reshape %1 : tensor<1x6x6x2xf32> -> tensor<1x6x6x2x1xf32>
      %3 = weft.convolution %2, %w strides [1, 1] dilations [1, 1] : tensor<1x6x6x2x1xf32>, tensor<3x3x1x2x1xf32> -> tensor<1x4x4x2x1xf32>
      return %3 : tensor<1x4x4x2x1xf32>
    }
    ```

    After:

    ```mlir
    func.func @f(%x: tensor<1x4x4x2xf32>, %w: tensor<3x3x1x2x1xf32>) -> tensor<1x4x4x2x1xf32> {
      %0 = weft.reshape %w : tensor<3x3x1x2x1xf32> -> tensor<3x3x2xf32>
      %1 = weft.depthwise_convolution %x, %0 window [3, 3] strides [1, 1] dilations [1, 1] low [1, 1] high [1, 1] {channels_last = true} : tensor<1x4x4x2xf32>, tensor<3x3x2xf32> -> tensor<1x4x4x2xf32>
      %2 = weft.reshape %1 : tensor<1x4x4x2xf32> -> tensor<1x4x4x2x1xf32>
      return %2 : tensor<1x4x4x2x1xf32>
    }
    ```

    A convolution without a border, or of a window of more than 12 elements, stays: its template shares what it
    loads among several pixels.
  }];
  let dependentDialects = ["::weft::WeftDialect"];
}

def MarkBorders : Pass<"weft-mark-borders", "::mlir::ModuleOp"> {
  let summary = "Say which lines of a convolution's image are zeros";
  let description = [{
    A convolution of an image in a border of zeros multiplies them, too, which takes 4 % of one with lines of 14
    pixels and a window of 3. `weft.border` says that, along a dimension of the image, it begins and ends
    with so many lines of zeros. Before:

    ```mlir
    func.func @f(%x: tensor<1x4x4x3xf32>, %w: tensor<3x3x3x2xf32> {weft.hidden}) -> tensor<1x4x4x2xf32> {
      %0 = weft.constant dense<0.0> : tensor<f32> : tensor<f32>
      %1 = weft.pad %x, %0 low [0, 1, 1, 0] interior [0, 0, 0, 0] : tensor<1x4x4x3xf32>, tensor<f32> -> tensor<1x6x6x3xf32>
      %2 = weft.convolution %1, %w strides [1, 1] dilations [1, 1] : tensor<1x6x6x3xf32>, tensor<3x3x3x2xf32> -> tensor<1x4x4x2xf32>
      return %2 : tensor<1x4x4x2xf32>
    }
    ```

    After:

    ```mlir
    func.func @f(%x: tensor<1x4x4x3xf32>, %w: tensor<3x3x3x2xf32> {weft.hidden}) -> tensor<1x4x4x2xf32> {
      %0 = weft.constant dense<0.0> : tensor<f32> : tensor<f32>
      %1 = weft.pad %x, %0 low [0, 1, 1, 0] interior [0, 0, 0, 0] : tensor<1x4x4x3xf32>, tensor<f32> -> tensor<1x6x6x3xf32>
      %2 = weft.convolution %1, %w strides [1, 1] dilations [1, 1] {weft.border = array<i64: 1, 1, 1>} : tensor<1x6x6x3xf32>, tensor<3x3x3x2xf32> -> tensor<1x4x4x2xf32>
      return %2 : tensor<1x4x4x2xf32>
    }
    ```

    A product of zero and an infinite weight is NaN, so a kernel has to know that weights are finite. It looks
    once at a weight that is kept, and only convolutions by such ones are marked.
  }];
}

#endif // WEFT_CONVOLUTION_PASSES_TD
