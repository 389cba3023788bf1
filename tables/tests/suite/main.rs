//! Both halves of a table on real files: what a commit makes visible, what a failed one does not, and what upkeep keeps.

mod commits;
mod rows;
mod upkeep;
