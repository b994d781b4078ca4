"""Games as environments of gymnax's shape, one a file."""
