"""What runs inside jails, with a lab environment's Python: warm environments, kernels, the checker."""
