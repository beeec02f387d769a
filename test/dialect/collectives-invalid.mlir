// RUN: weft-opt %s --split-input-file --verify-diagnostics

func.func @f(%x: tensor<3xf32>, %t: tensor<i32>) -> tensor<f32> {
  // expected-error@+1 {{reduce_scatter: the operand has shape [3], but its first dimension is for 2 members}}
  %0, %1 = weft.reduce_scatter %x after %t {group = 0 : i64, members = 2 : i64}
      : tensor<3xf32>, tensor<i32> -> tensor<f32>, tensor<i32>
  return %0 : tensor<f32>
}

// -----

func.func @f(%x: tensor<3xf32>, %t: tensor<i32>) -> tensor<3xf32> {
  // expected-error@+1 {{permute_members: two members send to member 1}}
  %0, %1 = weft.permute_members %x after %t
      {group = 0 : i64, members = 2 : i64, destinations = array<i64: 1, 1>}
      : tensor<3xf32>, tensor<i32> -> tensor<3xf32>, tensor<i32>
  return %0 : tensor<3xf32>
}

// -----

func.func @f(%x: tensor<3xf32>, %t: tensor<i32>) -> tensor<3xf32> {
  // expected-error@+1 {{collective: there is no member 2 of 2}}
  %0, %1 = weft.reduce %x after %t {group = 0 : i64, members = 2 : i64, root = 2 : i64}
      : tensor<3xf32>, tensor<i32> -> tensor<3xf32>, tensor<i32>
  return %0 : tensor<3xf32>
}

// -----

func.func @f(%x: tensor<3xf32>, %t: tensor<2xi32>) -> tensor<3xf32> {
  // expected-error@+1 {{the token is a number, and has no shape [2]}}
  %0, %1 = weft.all_to_all %x after %t {group = 0 : i64, members = 3 : i64}
      : tensor<3xf32>, tensor<2xi32> -> tensor<3xf32>, tensor<2xi32>
  return %0 : tensor<3xf32>
}

// -----

func.func @f(%x: tensor<3xf32>, %t: tensor<i32>) -> tensor<3xf32> {
  // expected-error@+1 {{a group has at least one member, not 0}}
  %0, %1 = weft.all_reduce %x after %t {group = 0 : i64, members = 0 : i64, reduction = 0 : i64}
      : tensor<3xf32>, tensor<i32> -> tensor<3xf32>, tensor<i32>
  return %0 : tensor<3xf32>
}
