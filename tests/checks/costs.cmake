# The order in which ctest starts the tests: long tests first, so that all processors have work until the end. Every
# test uses one processor. The tests with the loop lock come first, since they run one at a time.
set(BLKREWIND_COST_LOOP 4000)
set(BLKREWIND_COST_SUITE 3000)  # minutes
set(BLKREWIND_COST_LAB 2000)    # minutes, fewer
set(BLKREWIND_COST_LONG 1000)   # a minute, or a good part of one
