// What changes.bpf.c needs of this header outside of the kernel is in program_in_user_space.cc.
