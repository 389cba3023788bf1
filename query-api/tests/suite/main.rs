//! Tests of the query API from outside: real tables in a temporary folder, the whole router, real requests.

mod access;
mod console;
mod tables;
