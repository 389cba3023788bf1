//! Who may do what over HTTP.

mod commands;
mod house;
mod matrix;
mod scopes;
