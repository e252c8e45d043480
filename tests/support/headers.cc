// The translation unit of the tests' precompiled headers.
