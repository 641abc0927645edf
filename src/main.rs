//! costlake
fn main(){}
