package awsapi

//go:generate go run ../../tools/awsgen -model ../../tools/awsgen/models/mediaconvert.json.gz -pkg mediaconvert -dir mediaconvert
//go:generate go run ../../tools/awsgen -model ../../tools/awsgen/models/cloudfront.json.gz -pkg cloudfront -ops CreateDistribution,GetDistribution,GetDistributionConfig,ListDistributions,DeleteDistribution,UpdateDistribution -dir cloudfront
