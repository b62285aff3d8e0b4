cmoe_test(regularizer unit regularizer/anchor_test.cpp regularizer/orthogonal_test.cpp)
